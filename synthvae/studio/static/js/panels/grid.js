/** Grid panel: spectrograms decoded on a grid of positions over the visible part of the map. */
import { el, fill } from "../dom.js";
import { makeSound } from "../sound.js";
import { drawLevels } from "../spectrogram.js";

const SIZES = [4, 6, 8, 10, 12];

export class GridPanel {
  /** @param {HTMLElement} root @param {any} studio */
  constructor(root, studio) {
    this.studio = studio;
    this.serial = 0;
    /** @type {{x: number, y: number, confidence: number, picture: string}[]} null where a cell lies outside the map */
    this.cells = [];
    this.view = "";
    this.size = /** @type {HTMLSelectElement} */ (el("select", { "aria-label": "Cells along each side", onchange: () => void this.make() }, SIZES.map((value) => el("option", { value, selected: value === 8 }, `${value} × ${value}`))));
    this.grid = el("div", { class: "position-grid", role: "group", "aria-label": "Spectrograms by position" });
    fill(root,
      el("div", { class: "bar" }, el("button", { type: "button", class: "button main", id: "grid-make", onclick: () => void this.make() }, "Show the visible area"), this.size),
      el("p", { class: "note" }, "Spectrograms decoded at positions of the map, low frequencies at the bottom. Brighter frame: dots there sound more alike. Click a cell to play it."),
      this.grid);
    studio.tabs.listeners.push((/** @type {string} */ name) => name === "grid" && studio.map.view && !this.cells.length && void this.make());
  }

  async make() {
    const { map, store, api, status } = this.studio;
    const serial = ++this.serial;
    const size = Number(this.size.value);
    const [left, top] = map.camera.toMap(0, 0);
    const [right, bottom] = map.camera.toMap(map.camera.width, map.camera.height);
    try {
      this.grid.setAttribute("aria-busy", "true");
      const view = store.get("view");
      const answer = await api.grid(view, { left, bottom, right, top, size });
      if (serial !== this.serial) return;
      this.cells = answer.cells;
      this.view = view;
      this.grid.style.setProperty("--cells", String(size));
      fill(this.grid, answer.cells.map((/** @type {any} */ cell, /** @type {number} */ i) => this.#cell(cell, i, answer)));
      status.say(`${answer.cells.filter(Boolean).length} of ${size * size} cells lie on the map`);
    } catch (error) {
      status.fail(error);
    } finally {
      if (serial === this.serial) this.grid.removeAttribute("aria-busy");
    }
  }

  /** @param {{x: number, y: number, confidence: number, picture: string} | null} cell @param {number} i @param {{width: number, height: number}} of */
  #cell(cell, i, { width, height }) {
    if (!cell) return el("span", { class: "cell", "aria-hidden": "true" });
    const canvas = /** @type {HTMLCanvasElement} */ (el("canvas", { "aria-hidden": "true" }));
    drawLevels(canvas, Uint8Array.from(atob(cell.picture), (letter) => letter.charCodeAt(0)), width, height);
    const button = el("button", { type: "button", class: "cell", "aria-label": `Position ${i + 1}, confidence ${Math.round(100 * cell.confidence)} %`, onclick: (/** @type {Event} */ event) => this.#play(cell, event.timeStamp) }, canvas);
    button.style.setProperty("--trust", `${Math.round(100 * cell.confidence)}%`);
    return button;
  }

  /** @param {{x: number, y: number}} cell @param {number} touched */
  #play({ x, y }, touched) {
    this.studio.sounds.hear(makeSound({ place: { view: this.view, x, y, between: true } }, { origin: "position of the grid", places: { [this.view]: [x, y] } }), { touched });
  }
}
