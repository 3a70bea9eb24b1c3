/** Search field: finds sounds by words of their names, or by tags. Enter plays one after the other. */
import { byId, settled } from "./dom.js";
import { counted } from "./format.js";
import { makeSound } from "./sound.js";

export class Search {
  /** @param {any} studio */
  constructor(studio) {
    this.studio = studio;
    this.input = /** @type {HTMLInputElement} */ (byId("search-text"));
    this.count = byId("search-count");
    /** @type {Uint32Array} */
    this.found = new Uint32Array();
    this.next = 0;
    this.serial = 0;
    const soon = settled(() => void this.#look(), 180);
    this.input.addEventListener("input", soon);
    byId("search").addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#play();
    });
  }

  async #look() {
    const text = this.input.value.trim();
    const serial = ++this.serial;
    this.next = 0;
    if (!text) {
      this.found = new Uint32Array();
      this.count.textContent = "";
      this.studio.select(null, "");
      return;
    }
    const tags = text.split(/\s+/).filter((word) => word.startsWith("#"));
    const words = text.split(/\s+/).filter((word) => !word.startsWith("#"));
    try {
      const answer = await this.studio.api.search({ text: words.join(" "), tag: tags[0]?.slice(1) ?? "" });
      if (serial !== this.serial) return;
      this.found = this.studio.select(Uint32Array.from(answer.points), `“${text}”`);
      this.count.textContent = String(this.found.length);
      const unfinished = answer.complete === false ? "; names are still being measured" : "";
      if (this.found.length) this.studio.tabs.show("similar");
      const kept = answer.bank.length ? `, ${answer.bank.length} in the bank` : "";
      this.studio.status.say(`${counted(this.found.length, "sound")} on the map${kept}${unfinished}`);
    } catch (error) {
      this.studio.status.fail(error);
    }
  }

  #play() {
    if (!this.found.length) return;
    const point = this.found[this.next++ % this.found.length];
    this.studio.sounds.hear(makeSound({ point }, { origin: `point ${point}` }));
  }
}
