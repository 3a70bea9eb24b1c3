/** Favourites among recorded sounds, and hidden files, beside the map in place of the bank. */
import { download, el, fill, icon, iconButton } from "../dom.js";
import { counted } from "../format.js";
import { makeSound } from "../sound.js";

export class FavouritesPanel {
  /** @param {HTMLElement} root @param {any} studio */
  constructor(root, studio) {
    this.studio = studio;
    root.setAttribute("aria-label", "Favourites and hidden files");
    /** @type {{point: number, name: string}[]} */
    this.favourites = [];
    /** @type {{point: number, name: string}[]} */
    this.hidden = [];
    this.count = el("small", {});
    this.all = iconButton("down", "Download the favourites (ZIP of WAVs)", () => void this.#download(), { id: "favourites-download", hidden: true });
    this.list = el("ul", { class: "entries", "aria-label": "Favourites" });
    this.out = el("ul", { class: "entries", "aria-label": "Hidden files" });
    this.outCount = el("small", {});
    fill(root, el("div", { class: "bank-head" }, el("h2", {}, "Favourites ", this.count), this.all), this.list,
      el("details", { class: "fold", id: "hidden-files" }, el("summary", {}, el("span", {}, "Hidden files "), this.outCount), this.out));
  }

  async refresh() {
    this.#show(await this.studio.api.marks());
  }

  /** @param {number} point @param {"favourites" | "hidden"} kind */
  has(point, kind) {
    return this[kind].some((one) => one.point === point);
  }

  /** Sets or takes a mark. @param {number[]} points @param {"favourites" | "hidden"} kind @param {boolean} on */
  async mark(points, kind, on) {
    try {
      this.#show(await this.studio.api.mark(points, kind, on));
      const what = kind === "hidden" ? (on ? "hidden" : "shown again") : on ? "added to favourites" : "removed from favourites";
      this.studio.status.say(`${counted(points.length, "sound")} ${what}`);
    } catch (error) {
      this.studio.status.fail(error);
    }
  }

  /** @param {{favourites: {point: number, name: string}[], hidden: {point: number, name: string}[]}} marks */
  #show({ favourites, hidden }) {
    this.favourites = favourites;
    this.hidden = hidden;
    this.count.textContent = favourites.length ? String(favourites.length) : "";
    this.outCount.textContent = hidden.length ? String(hidden.length) : "";
    this.all.hidden = !favourites.length;
    fill(this.list, favourites.length ? favourites.slice(0, 500).map((one) => this.#row(one, "favourites", "close", "Remove from the favourites")) : el("li", { class: "empty" }, "Favourites are listed here: F marks the current recording."));
    fill(this.out, hidden.slice(0, 500).map((one) => this.#row(one, "hidden", "undo", "Show again")));
    this.studio.hideMarked();
  }

  /** @param {{point: number, name: string}} one @param {"favourites" | "hidden"} kind @param {string} drawing @param {string} what */
  #row({ point, name }, kind, drawing, what) {
    return el("li", { class: "entry" },
      el("button", { type: "button", class: "button", "aria-label": `Play ${name}`, onclick: (/** @type {Event} */ event) => this.studio.sounds.hear(makeSound({ point }, { name, origin: `point ${point}` }), { touched: event.timeStamp }) }, icon("play")),
      el("div", { class: "entry-text" }, el("span", { class: "entry-name" }, name)),
      el("div", { class: "entry-tools" }, iconButton(drawing, `${what}: ${name}`, () => void this.mark([point], kind, false))));
  }

  async #download() {
    try {
      this.studio.status.say(`Rendering ${counted(this.favourites.length, "sound")}…`);
      download(await this.studio.api.library(this.favourites.map(({ point, name }) => ({ spec: { point }, name })), "favourites"), "favourites.zip");
    } catch (error) {
      this.studio.status.fail(error);
    }
  }

  /** @param {string} view @returns {any[]} */
  marks(view) {
    const { map, store } = this.studio;
    if (store.get("view") !== view || !map.view) return [];
    const { positions } = map.view;
    return this.favourites.slice(0, 500).map(({ point }) => ({ kind: "kept", place: [positions[2 * point], positions[2 * point + 1]] }));
  }
}
