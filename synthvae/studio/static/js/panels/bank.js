/** Bank panel: a list of saved sounds with spectrograms, to play, rename, tag and remove. */
import { download, el, fill, icon, iconButton } from "../dom.js";
import { counted } from "../format.js";
import { makeSound } from "../sound.js";
import { drawThumbnail } from "../spectrogram.js";

export class BankPanel {
  /** @param {HTMLElement} root @param {any} studio */
  constructor(root, studio) {
    this.studio = studio;
    /** @type {any[]} */
    this.entries = [];
    /** @type {Map<number, ImageBitmap>} */
    this.pictures = new Map();
    this.count = el("small", {});
    this.all = iconButton("down", "Download the listed sounds (ZIP of presets and WAVs)", () => void this.#download(), { id: "bank-download", hidden: true });
    /** @type {any[]} */
    this.shown = [];
    this.filter = /** @type {HTMLInputElement} */ (el("input", { type: "search", placeholder: "Filter by name or #tag", "aria-label": "Filter the bank", oninput: () => this.#show() }));
    this.list = el("ul", { class: "entries" });
    this.tags = el("div", { class: "tags", role: "group", "aria-label": "Tags" });
    fill(root, el("div", { class: "bank-head" }, el("h2", {}, "Bank ", this.count), this.all, this.filter, this.tags), this.list);
    this.seen = new IntersectionObserver((rows) => {
      for (const row of rows) if (row.isIntersecting) void this.#picture(/** @type {HTMLCanvasElement} */ (row.target));
    });
  }

  async refresh() {
    const [entries, tags] = await Promise.all([this.studio.api.bank(), this.studio.api.bankTags()]);
    this.entries = [...entries].sort((a, b) => b.id - a.id);
    fill(this.tags, Object.entries(tags).sort((a, b) => Number(b[1]) - Number(a[1])).slice(0, 12).map(([tag]) =>
      el("button", { type: "button", class: "tag", onclick: () => { this.filter.value = this.filter.value === `#${tag}` ? "" : `#${tag}`; this.#show(); } }, `#${tag}`)));
    this.#show();
    this.studio.showMarks();
    return Object.keys(tags);
  }

  #show() {
    const words = this.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (/** @type {any} */ entry) => words.every((word) => (word.startsWith("#") ? entry.tags.some((/** @type {string} */ tag) => tag.startsWith(word.slice(1))) : entry.name.toLowerCase().includes(word)));
    const shown = this.entries.filter(fits);
    this.shown = shown;
    this.all.hidden = !shown.length;
    this.count.textContent = this.entries.length ? String(this.entries.length) : "";
    for (const tag of this.tags.children) tag.setAttribute("aria-pressed", String(tag.textContent === this.filter.value));
    if (!shown.length) {
      fill(this.list, el("li", { class: "empty" }, this.entries.length ? "No sound of that name." : "Saved sounds are listed here."));
      return;
    }
    this.seen.disconnect();
    fill(this.list, shown.slice(0, 500).map((entry) => this.#row(entry)));
  }

  /** @param {any} entry */
  sound(entry) {
    const values = /** @type {Record<string, number>} */ ({});
    for (const { name } of this.studio.store.get("session").parameters) values[name] = entry.values[name];
    // By its values and not its number, so that undo still finds it after it was taken out of the bank.
    return makeSound({ values }, { name: entry.name, origin: `kept, number ${entry.id}`, values, places: entry.places, descriptors: entry.descriptors });
  }

  async #download() {
    try {
      this.studio.status.say(`Rendering ${counted(this.shown.length, "sound")}…`);
      download(await this.studio.api.library(this.shown.map((entry) => ({ spec: { bank: entry.id }, name: entry.name })), "bank"), "bank.zip");
      this.studio.status.say(`Downloaded ${counted(this.shown.length, "sound")}`);
    } catch (error) {
      this.studio.status.fail(error);
    }
  }

  /** @param {any} entry */
  #row(entry) {
    const canvas = el("canvas", { width: 96, height: 64, "data-entry": entry.id, "aria-hidden": "true" });
    this.seen.observe(canvas);
    const name = el("span", { class: "entry-name" }, entry.name);
    const tags = el("span", { class: "entry-tags" }, entry.tags.map((/** @type {string} */ tag) => `#${tag}`).join(" "));
    const row = el("li", { class: "entry" },
      el("button", { type: "button", class: "entry-play", "aria-label": `Play ${entry.name}`, onclick: (/** @type {Event} */ event) => this.studio.sounds.hear(this.sound(entry), { touched: event.timeStamp }) }, canvas, icon("play")),
      el("div", { class: "entry-text" }, name, tags),
      el("div", { class: "entry-tools" },
        iconButton("edit", `Rename ${entry.name}`, () => this.#edit(row, entry)),
        iconButton("bin", `Remove ${entry.name} from the bank`, () => void this.#remove(entry))));
    return row;
  }

  /** @param {HTMLElement} row @param {any} entry */
  #edit(row, entry) {
    const name = /** @type {HTMLInputElement} */ (el("input", { type: "text", value: entry.name, maxlength: 200, "aria-label": "Name" }));
    const tags = /** @type {HTMLInputElement} */ (el("input", { type: "text", value: entry.tags.join(" "), placeholder: "tags", "aria-label": "Tags" }));
    const close = () => this.#show();
    const form = el("form", {
      class: "entry-edit",
      onkeydown: (/** @type {KeyboardEvent} */ event) => event.key === "Escape" && close(),
      onsubmit: async (/** @type {SubmitEvent} */ event) => {
        event.preventDefault();
        const wanted = tags.value.split(/[\s,]+/).map((tag) => tag.replace(/^#/, "").toLowerCase()).filter(Boolean);
        const change = {
          name: name.value.trim() || entry.name,
          add: wanted.filter((tag) => !entry.tags.includes(tag)),
          remove: entry.tags.filter((/** @type {string} */ tag) => !wanted.includes(tag)),
        };
        try {
          await this.studio.api.change(entry.id, change);
          await this.studio.refreshBank();
          this.studio.status.say(`Renamed to ${change.name}`);
        } catch (error) {
          this.studio.status.fail(error);
        }
      },
    }, name, tags, el("div", { class: "bar" }, el("button", { type: "submit", class: "button main" }, "Save"), el("button", { type: "button", class: "button", onclick: close }, "Cancel")));
    fill(row, form);
    name.select();
  }

  /** Taken out at once; the line that says so can put it back. @param {any} entry */
  async #remove(entry) {
    try {
      await this.studio.api.remove(entry.id);
      await this.studio.refreshBank();
      this.studio.status.say(`Removed ${entry.name} from the bank`);
      const back = el("li", { class: "empty" }, `Removed ${entry.name}. `, el("button", {
        type: "button", class: "button",
        onclick: async () => {
          try {
            await this.studio.api.keep(this.sound(entry).spec, entry.name, entry.tags);
            await this.studio.refreshBank();
          } catch (error) {
            this.studio.status.fail(error);
          }
        },
      }, "Restore"));
      this.list.prepend(back);
    } catch (error) {
      this.studio.status.fail(error);
    }
  }

  /** @param {HTMLCanvasElement} canvas */
  async #picture(canvas) {
    this.seen.unobserve(canvas);
    const id = Number(canvas.dataset.entry);
    try {
      const picture = this.pictures.get(id) ?? (await createImageBitmap(await this.studio.api.thumbnail(id)));
      this.pictures.set(id, picture);
      drawThumbnail(canvas, picture);
    } catch {
      // a list without this picture is still a list
    }
  }

  /** @param {string} view @returns {any[]} */
  marks(view) {
    return this.entries.slice(0, 500).map((entry) => ({ kind: "kept", place: entry.places?.[view] })).filter((mark) => mark.place);
  }
}

