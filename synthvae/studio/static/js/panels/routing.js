/** Modulation routing: sources left, targets right, line width by depth. */
import { el, svg } from "../dom.js";
import { plain } from "../format.js";
import { words } from "../parameters.js";

const WIDTH = 340;
const ROW = 24;
const LEFT = 84;
const RIGHT = 246;
/** Colours of sources before they repeat: the classes route-0 to route-3. */
const COLOURS = 4;

export class Routing {
  /** @param {{source: string, target: string, parameter: string | null, value: number | null}[]} routes @param {(parameter: string) => void} chosen */
  constructor(routes, chosen) {
    const sources = [...new Set(routes.map((route) => route.source))];
    const targets = [...new Set(routes.map((route) => route.target))];
    const rows = Math.max(sources.length, targets.length);
    const y = (/** @type {string[]} */ list, /** @type {string} */ name) => ((list.indexOf(name) + 0.5) * rows * ROW) / list.length;
    /** @type {{route: any, line: SVGElement, text: SVGElement, hit: SVGElement}[]} */
    this.lines = [];
    const drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${rows * ROW}`, class: "routing-drawing", role: "group", "aria-label": "Routing" });
    for (const route of routes) {
      if (!route.parameter && !route.value) continue;
      const [top, bottom] = [y(sources, route.source), y(targets, route.target)];
      const path = `M${LEFT} ${top}C${LEFT + 70} ${top} ${RIGHT - 70} ${bottom} ${RIGHT} ${bottom}`;
      const line = svg("path", { d: path, class: `route route-${sources.indexOf(route.source) % COLOURS}` });
      const name = route.parameter;
      const hit = svg("path", {
        d: path, class: "route-hit", "aria-label": `${words(route.source)} to ${words(route.target)}`, tabindex: name ? 0 : null, role: name ? "button" : "img",
        onclick: () => name && chosen(name),
        onkeydown: (/** @type {KeyboardEvent} */ event) => {
          if (name && (event.key === "Enter" || event.key === " ")) event.preventDefault(), event.stopPropagation(), chosen(name);
        },
      });
      const text = svg("text", { x: RIGHT - 8, y: bottom - 4, class: "route-value", "text-anchor": "end" });
      drawing.append(line, hit, text);
      this.lines.push({ route, line, text, hit });
    }
    sources.forEach((source, i) => drawing.append(
      svg("text", { x: LEFT - 12, y: y(sources, source) + 4, class: "route-end", "text-anchor": "end" }, words(source)),
      svg("circle", { cx: LEFT, cy: y(sources, source), r: 4, class: `route-source route-${i % COLOURS}` })));
    targets.forEach((target) => drawing.append(
      svg("text", { x: RIGHT + 12, y: y(targets, target) + 4, class: "route-end" }, words(target)),
      svg("circle", { cx: RIGHT, cy: y(targets, target), r: 4, class: "route-target" })));
    this.root = el("div", { class: "routing" }, drawing);
  }

  /** @param {Record<string, number>} values human values by parameter */
  show(values) {
    for (const { route, line, text, hit } of this.lines) {
      const strength = route.parameter ? values[route.parameter] ?? 0 : route.value;
      line.setAttribute("stroke-width", String(0.75 + 7 * strength));
      line.setAttribute("stroke-opacity", String(0.25 + 0.75 * Math.sqrt(strength)));
      text.textContent = plain(strength, 2);
      hit.setAttribute("aria-label", `${words(route.source)} to ${words(route.target)}: ${plain(strength, 2)}`);
    }
  }
}
