/** All parameters as sliders in human units. A slider is linear in the unit cube; its number is in human units. */
import { el, fill } from "../dom.js";
import { noteName, parseNumber, plain, SHORT_UNITS, withUnit } from "../format.js";
import { grouped, middle, shortLabel, toHuman, toUnit } from "../parameters.js";
import { makeSound } from "../sound.js";
import { envelopePath, lfoPath, sketch } from "./envelope.js";
import { Routing } from "./routing.js";

/** Steps of a slider: below audible differences, but coarse enough for the arrow keys. */
const STEPS = 500;

export class PresetPanel {
  /** @param {HTMLElement} root @param {any} studio */
  constructor(root, studio) {
    this.studio = studio;
    const session = studio.store.get("session");
    /** @type {import("../parameters.js").Parameter[]} */
    this.parameters = session.parameters;
    /** @type {Map<string, {parameter: any, slider: HTMLInputElement, number: HTMLInputElement, row: HTMLElement, said: HTMLElement}>} */
    this.controls = new Map();
    /** @type {(() => void)[]} */
    this.sketches = [];
    /** @type {Record<string, number> | null} */
    this.values = null;
    this.routing = new Routing(session.routes, (name) => this.#reveal(name));
    const filter = el("input", { type: "search", placeholder: "Filter 63 parameters", "aria-label": "Filter parameters", oninput: (/** @type {any} */ event) => this.#filter(event.target.value) });
    filter.setAttribute("placeholder", `Filter ${this.parameters.length} parameters`);
    this.folds = el("div", { class: "folds" }, grouped(this.parameters).map((group, i) => this.#group(group, i < 4)));
    fill(root, el("div", { class: "preset-bar" }, filter, el("button", { type: "button", class: "button", onclick: (/** @type {any} */ event) => this.#foldAll(event.target) }, "Unfold all")), this.routing.root, this.folds);
    studio.store.on(["current", "described"], (/** @type {any} */ sound) => sound.values && this.show(sound.values));
    this.#enable(false);
  }

  /** @param {{module: string, title: string, parameters: any[]}} group @param {boolean} open */
  #group(group, open) {
    const heading = el("summary", {}, el("span", {}, group.title));
    if (/(^|_)adsr/.test(group.module) || /^lfo_\d+$/.test(group.module)) {
      const drawing = sketch();
      heading.append(drawing.root);
      const value = (/** @type {string} */ name) => this.values?.[`${group.module}.${name}`] ?? 0;
      this.sketches.push(() => drawing.draw(/^lfo_\d+$/.test(group.module) ? lfoPath(value) : envelopePath(value, this.values?.["keyboard.duration"] ?? 1)));
    }
    return el("details", { open, class: "fold", "data-module": group.module }, heading, group.parameters.map((parameter) => this.#row(parameter)));
  }

  /** @param {any} parameter */
  #row(parameter) {
    const id = `p-${parameter.name.replace(/[^\w]/g, "-")}`;
    const label = shortLabel(parameter);
    const slider = /** @type {HTMLInputElement} */ (el("input", { type: "range", id, min: 0, max: 1, step: 1 / STEPS, "data-parameter": parameter.name, class: parameter.symmetric ? "centred" : "" }));
    const number = /** @type {HTMLInputElement} */ (el("input", { type: "text", inputmode: "decimal", class: "number", "aria-label": `${label}, ${parameter.unit || "ratio"}`, autocomplete: "off" }));
    const said = el("span", { class: "unit", "aria-hidden": "true" }, SHORT_UNITS[parameter.unit] ?? parameter.unit);
    slider.addEventListener("input", (event) => this.#change(parameter, toHuman(parameter, slider.valueAsNumber), event.timeStamp));
    slider.addEventListener("change", () => this.studio.sounds.record());
    const back = () => this.#set(parameter, middle(parameter));
    slider.addEventListener("dblclick", back);
    number.addEventListener("change", () => {
      const typed = parseNumber(number.value);
      if (Number.isFinite(typed)) this.#set(parameter, Math.min(parameter.maximum, Math.max(parameter.minimum, typed)));
      else if (this.values) this.#show(parameter.name, this.values[parameter.name]);
    });
    number.addEventListener("focus", () => number.select());
    const row = el("div", { class: "row", title: `${parameter.description} (${withUnit(parameter.minimum, parameter.unit)} to ${withUnit(parameter.maximum, parameter.unit)})` },
      el("label", { for: id, ondblclick: back }, label), slider, el("span", { class: "value" }, number, said));
    this.controls.set(parameter.name, { parameter, slider, number, row, said });
    return row;
  }

  /** @param {any} parameter @param {number} value a change that is over at once */
  #set(parameter, value) {
    this.#change(parameter, value, performance.now());
    this.studio.sounds.record();
  }

  /** @param {any} parameter @param {number} value in human units @param {number} touched */
  #change(parameter, value, touched) {
    const before = this.studio.sounds.current;
    if (!this.values) return;
    const values = { ...this.values, [parameter.name]: value };
    // Described again when the input pauses; until then it keeps its position.
    const origin = before?.origin.startsWith("edited") ? before.origin : `edited, from ${before?.name || "a sound"}`;
    const known = { origin, values, places: before?.places ?? {} };
    this.studio.sounds.hear(makeSound({ values }, known), { record: false, touched });
  }

  /** @param {Record<string, number>} values */
  show(values) {
    if (this.values === values) return;
    const first = this.values === null;
    this.values = values;
    if (first) this.#enable(true);
    for (const name of this.controls.keys()) this.#show(name, values[name]);
    for (const draw of this.sketches) draw();
    this.routing.show(values);
  }

  /** @param {string} name @param {number} value */
  #show(name, value) {
    const control = this.controls.get(name);
    if (!control) return;
    const { parameter, slider, number, said } = control;
    const unit = toUnit(parameter, value);
    if (document.activeElement !== slider || Math.abs(slider.valueAsNumber - unit) > 1 / STEPS) slider.value = String(unit);
    slider.style.setProperty("--fill", `${(100 * unit).toFixed(1)}%`);
    slider.setAttribute("aria-valuetext", withUnit(value, parameter.unit));
    number.value = plain(value);
    if (parameter.unit === "MIDI") said.textContent = noteName(value);
  }

  /** @param {boolean} on */
  #enable(on) {
    for (const { slider, number } of this.controls.values()) slider.disabled = number.disabled = !on;
  }

  /** @param {string} name of a parameter: unfolded, in sight, and under the keys */
  #reveal(name) {
    const control = this.controls.get(name);
    const fold = control?.row.closest("details");
    if (fold) fold.open = true;
    control?.slider.scrollIntoView({ block: "center" });
    control?.slider.focus();
  }

  /** @param {string} text */
  #filter(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    for (const fold of this.folds.querySelectorAll("details")) {
      const title = fold.querySelector("summary")?.textContent?.toLowerCase() ?? "";
      let any = false;
      for (const { parameter, row } of this.controls.values()) {
        if (row.parentElement !== fold) continue;
        const all = `${title} ${parameter.name.toLowerCase()} ${shortLabel(parameter).toLowerCase()}`;
        row.hidden = !words.every((word) => all.includes(word));
        any ||= !row.hidden;
      }
      fold.hidden = !any;
      if (words.length && any) fold.open = true;
    }
  }

  /** @param {HTMLElement} button */
  #foldAll(button) {
    const folds = [...this.folds.querySelectorAll("details")];
    const open = folds.some((fold) => !fold.open);
    for (const fold of folds) fold.open = open;
    button.textContent = open ? "Fold all" : "Unfold all";
  }
}
