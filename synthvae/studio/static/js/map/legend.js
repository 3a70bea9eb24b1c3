/** Legend of the colours; classes are buttons that select their points. */
import { at, classColour, css } from "../colour.js";
import { el, fill } from "../dom.js";
import { plain, withUnit } from "../format.js";

const SHOWN = 24;
/** CSS pixels of the ramp of a scale. */
const WIDTH = 226;

/**
 * @param {HTMLElement} root
 * @param {{column: any, values: Float32Array, how: any, classes: Map<number, number>, view: any, labels: {name: string, count: number, colour: number[]}[],
 *          choose: (ids: Uint32Array, name: string) => void}} what
 */
export function showLegend(root, { column, values, how, classes, view, labels, choose }) {
  const parts = [];
  if (how.classes) parts.push(...groups(column, values, view, classes, choose));
  else parts.push(...ramp(column, how));
  if (labels.length) {
    parts.push(el("h2", {}, "your recordings"));
    parts.push(el("ul", { class: "classes" }, labels.map(({ name, count, colour }) => el("li", {}, el("button", { type: "button", disabled: true }, swatch(colour, true), el("span", {}, name || "no folder"), el("small", {}, count))))));
  }
  const { neighbour, random } = view.distances;
  parts.push(el("p", { class: "trust" }, `Median distance to the nearest dot: ${plain(neighbour, 2)} dB; to a random one: ${plain(random, 2)} dB. Brighter background: dots there sound more alike.`));
  const open = root.querySelector("details")?.open ?? window.innerWidth > 1500; // where there is room beside the map
  const unit = how.classes ? ` ${new Set(values.filter((value) => value >= 0)).size}` : column.unit ? ` ${column.unit}${how.octaves ? ", by octaves" : ""}` : "";
  fill(root, el("details", { open }, el("summary", {}, el("h2", {}, how.classes && view.regions ? "region" : column.label, el("small", {}, unit))), parts));
}

/** @param {any} column @param {any} how */
function ramp(column, how) {
  const canvas = /** @type {HTMLCanvasElement} */ (el("canvas", { class: "ramp", width: WIDTH, height: 1, "aria-hidden": "true" }));
  const context = canvas.getContext("2d");
  for (let x = 0; context && x < WIDTH; x++) {
    context.fillStyle = css(at(how.scale, x / (WIDTH - 1)));
    context.fillRect(x, 0, 1, 1);
  }
  return [
    canvas,
    el("div", { class: "ends" }, el("span", {}, withUnit(how.low, column.unit)), el("span", {}, withUnit(how.high, column.unit))),
  ];
}

/** @param {any} column @param {Float32Array} values @param {any} view @param {Map<number, number>} classes @param {(ids: Uint32Array, name: string) => void} choose */
function groups(column, values, view, classes, choose) {
  /** @type {Map<number, number>} */
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const names = new Map(view.clusters.map((/** @type {any} */ cluster) => [cluster.id, cluster.name]));
  const known = [...counts].filter(([value]) => value >= 0).sort((a, b) => b[1] - a[1]);
  const rows = known.slice(0, SHOWN).map(([value, count]) => {
    const name = String(column.names?.[value] || names.get(value) || `${view.regions ? "region" : column.label} ${value + 1}`);
    const button = el("button", {
      type: "button", "aria-pressed": "false",
      onclick: () => {
        const on = button.getAttribute("aria-pressed") !== "true";
        for (const other of button.closest("ul")?.querySelectorAll("button") ?? []) other.setAttribute("aria-pressed", "false");
        button.setAttribute("aria-pressed", String(on));
        const ids = [];
        for (let i = 0; on && i < values.length; i++) if (values[i] === value) ids.push(i);
        choose(Uint32Array.from(ids), name);
      },
    }, swatch(classColour(classes.get(value) ?? value)), el("span", { title: name }, name), el("small", {}, count));
    return el("li", {}, button);
  });
  const rest = known.slice(SHOWN).reduce((sum, [, count]) => sum + count, 0) + (counts.get(-1) ?? 0);
  return [
    el("ul", { class: "classes" }, rows),
    rest ? el("p", { class: "ends" }, el("span", {}, known.length > SHOWN ? "others and unassigned" : "unassigned"), el("span", {}, rest)) : null,
  ];
}

/** @param {number[]} colour @param {boolean} [square] */
function swatch(colour, square = false) {
  const mark = el("i", { class: `swatch${square ? " square" : ""}`, "aria-hidden": "true" });
  mark.style.setProperty("background", css(colour));
  return mark;
}
