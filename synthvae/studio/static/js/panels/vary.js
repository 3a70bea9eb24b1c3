/** Vary panel: sixteen variations of the current sound, the nearest first, on sixteen keys. */
import { download, el, fill } from "../dom.js";
import { plain, slug } from "../format.js";
import { grouped } from "../parameters.js";
import { makeSound, specOf } from "../sound.js";
import { drawSpectrogram } from "../spectrogram.js";

const COUNT = 16;
/** Keys of the cells: the digits, then digits with Shift. */
export const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "0", "⇧1", "⇧2", "⇧3", "⇧4", "⇧5", "⇧6"];

export class VaryPanel {
  /** @param {HTMLElement} root @param {any} studio */
  constructor(root, studio) {
    this.studio = studio;
    this.seed = 0;
    /** @type {any[]} */
    this.found = [];
    this.run = 0;
    this.amount = /** @type {HTMLInputElement} */ (el("input", { type: "range", min: 0.02, max: 1, step: 0.01, value: 0.3, "aria-label": "Amount" }));
    this.amount.addEventListener("input", () => this.#amount());
    this.amount.addEventListener("change", () => this.found.length && this.make(false));
    this.said = el("output", {}, "");
    this.grid = el("div", { class: "vary-grid", role: "group", "aria-label": "Variations" });
    const groups = grouped(studio.store.get("session").parameters);
    this.kept = groups.map(({ module, title }) => ({ module, box: /** @type {HTMLInputElement} */ (el("input", { type: "checkbox" })), title }));
    fill(root,
      el("div", { class: "bar" },
        el("button", { type: "button", class: "button main", id: "vary-make", onclick: () => this.make(true) }, "Vary this sound"),
        el("button", { type: "button", class: "button", onclick: () => { this.seed++; void this.make(false); } }, "New draw"),
        groups.length > 0 && el("button", { type: "button", class: "button", id: "vary-kit", title: "All variations on sixteen keys, as an SFZ instrument with WAVs", onclick: () => void this.kit() }, "Kit (SFZ)")),
      el("label", { class: "line" }, el("span", {}, "Amount"), this.amount, this.said),
      this.grid,
      el("p", { class: "note" }, "Keys 1 to 0 play the first ten, with Shift the rest. A played variation becomes the current sound; undo to return."),
      groups.length > 0 && el("details", { class: "fold" }, el("summary", {}, el("span", {}, "Keep unchanged")),
        el("div", { class: "checks" }, this.kept.map(({ box, title }) => el("label", {}, box, title)))));
    this.#amount();
    this.#empty();
  }

  #amount() {
    this.amount.style.setProperty("--fill", `${100 * this.amount.valueAsNumber}%`);
    this.said.textContent = `${Math.round(100 * this.amount.valueAsNumber)} %`;
  }

  #empty() {
    fill(this.grid, KEYS.map((key) => el("button", { type: "button", class: "cell", disabled: true }, el("kbd", {}, key))));
  }

  /** @param {boolean} again whether to vary the current sound, rather than the last base */
  async make(again) {
    const sound = await this.studio.sounds.ready();
    if (!sound) return;
    if (again || !this.base) this.base = sound;
    const run = ++this.run;
    const keep = this.kept.filter(({ box }) => box.checked).map(({ module }) => module);
    try {
      this.studio.status.say("Rendering variations…");
      this.grid.setAttribute("aria-busy", "true");
      const answer = await this.studio.api.vary(this.base.spec, { amount: this.amount.valueAsNumber, count: COUNT, seed: this.seed, keep, far: true });
      if (run !== this.run) return;
      this.found = answer.sounds.map((/** @type {any} */ one, /** @type {number} */ i) => ({
        ...one,
        said: one.changed.join(", ") || "small changes",
        sound: makeSound(specOf(one), { name: one.name, origin: `variation ${i + 1}, ${plain(one.distance, 2)} dB away${one.changed.length ? `: ${one.changed.join(", ")}` : ""}`, values: one.values, latent: one.latent, places: one.place }),
      }));
      this.#show(run);
      this.studio.showMarks();
      this.studio.status.say(answer.remark || `${this.found.length} variations, the nearest first`);
    } catch (error) {
      this.studio.status.fail(error);
    } finally {
      if (run === this.run) this.grid.removeAttribute("aria-busy");
    }
  }

  /** @param {number} run */
  #show(run) {
    this.cells = this.found.map((one, i) => {
      const canvas = /** @type {HTMLCanvasElement} */ (el("canvas", { "aria-hidden": "true" }));
      const cell = el("button", { type: "button", class: "cell", "aria-label": `Variation ${i + 1}, ${plain(one.distance, 2)} dB away: ${one.said}`, title: one.said, "aria-pressed": "false", onclick: (/** @type {Event} */ event) => this.choose(i, event.timeStamp) },
        canvas, el("kbd", {}, KEYS[i]), el("small", {}, `${plain(one.distance, 2)} dB`));
      return { cell, canvas };
    });
    fill(this.grid, this.cells.map(({ cell }) => cell));
    void this.#listen(run);
  }

  /** Prefetches all variations, so that keys play without delay. @param {number} run */
  async #listen(run) {
    for (const [i, one] of this.found.entries()) {
      try {
        await this.studio.sounds.fetch(one.sound);
        if (run !== this.run) return;
        const canvas = this.cells?.[i].canvas;
        if (canvas) drawSpectrogram(canvas, one.sound.buffer, 72, 40);
      } catch {
        return; // fetched again when played, which reports the error
      }
    }
  }

  /** Downloads the variations as an SFZ kit; makes them first if there are none. */
  async kit() {
    if (!this.found.length) await this.make(true);
    if (!this.found.length || !this.base) return;
    try {
      this.studio.status.say("Rendering the kit…");
      const name = `kit of ${this.base.name}`;
      const blob = await this.studio.api.library(this.found.map(({ sound }) => ({ spec: sound.spec, name: sound.name })), name, true);
      download(blob, `${slug(name)}.zip`);
      this.studio.status.say(`Downloaded the ${name}: ${this.found.length} sounds from C2 up`);
    } catch (error) {
      this.studio.status.fail(error);
    }
  }

  /** @param {number} i @param {number} touched @returns {boolean} whether there is such a one */
  choose(i, touched) {
    const one = this.found[i];
    if (!one) return false;
    this.cells?.forEach(({ cell }, k) => cell.setAttribute("aria-pressed", String(k === i)));
    this.studio.sounds.hear(one.sound, { touched });
    return true;
  }

  /** @param {string} view @returns {any[]} */
  marks(view) {
    return this.found.map((one, i) => ({ kind: "vary", place: one.place[view], text: KEYS[i] })).filter((mark) => mark.place);
  }
}
