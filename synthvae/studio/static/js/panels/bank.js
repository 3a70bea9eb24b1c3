/** Bank panel: a list of saved sounds with spectrograms, to play, rename, tag and remove. */
import { download, el, fill, icon, iconButton } from "../dom.js";
import { counted } from "../format.js";
import { makeSound } from "../sound.js";
import { drawThumbnail } from "../spectrogram.js";

/** Where an entry's sound says that it comes from. @param {any} entry */
const originOf = (entry) => `bank entry ${entry.id}`;

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
    this.list = el("ul", { class: "entries", "aria-label": "Saved sounds", "aria-describedby": "bank-keys" });
    this.list.addEventListener("keydown", (event) => this.#key(event));
    this.list.addEventListener("focusin", (event) => this.#stopAt(/** @type {HTMLElement} */ (event.target)));
    /** The entry that the Tab key stops at, of all that are listed. @type {number | null} */
    this.stop = null;
    this.tags = el("div", { class: "tags", role: "group", "aria-label": "Tags" });
    fill(root, el("div", { class: "bank-head" }, el("h2", {}, "Bank ", this.count), this.all, this.filter, this.tags), this.list,
      el("p", { class: "hidden", id: "bank-keys" }, "Up and down arrows select a sound, Enter plays it, F2 renames it, Delete removes it. The right arrow moves to its buttons."));
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
      fill(this.list, el("li", { class: "empty" }, this.entries.length ? "No matching sounds." : "Saved sounds are listed here."));
      return;
    }
    this.seen.disconnect();
    const focused = this.list.contains(document.activeElement);
    const before = this.#plays().findIndex((button) => button.tabIndex === 0);
    fill(this.list, shown.slice(0, 500).map((entry) => this.#row(entry)));
    // The entry that had the stop, or the one that has taken its place in the list.
    const buttons = this.#plays();
    const kept = buttons.find((button) => Number(button.dataset.entry) === this.stop);
    const next = kept ?? buttons[Math.min(buttons.length - 1, Math.max(0, before))];
    this.#stopAt(next);
    if (focused) next.focus();
  }

  /** The buttons that play the listed entries. @returns {HTMLElement[]} */
  #plays() {
    return [...this.list.querySelectorAll(".entry-play")].map((button) => /** @type {HTMLElement} */ (button));
  }

  /** One stop for the Tab key in the whole list. @param {HTMLElement} element within an entry */
  #stopAt(element) {
    const chosen = /** @type {HTMLElement | null | undefined} */ (element.closest(".entry")?.querySelector(".entry-play"));
    if (!chosen) return;
    for (const button of this.#plays()) button.tabIndex = button === chosen ? 0 : -1;
    this.stop = Number(chosen.dataset.entry);
  }

  /** Up and down between the entries, left and right between an entry's buttons. @param {KeyboardEvent} event */
  #key(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    const row = target.closest(".entry");
    const plays = this.#plays();
    const at = plays.findIndex((button) => button.closest(".entry") === row);
    if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return; // a form, or the line that restores
    const buttons = /** @type {HTMLElement[]} */ ([...(row?.querySelectorAll("button") ?? [])]);
    const along = buttons.indexOf(target);
    const entry = this.shown.find((one) => one.id === Number(plays[at].dataset.entry));
    const to = /** @type {Record<string, HTMLElement | undefined>} */ ({
      ArrowDown: plays[at + 1], ArrowUp: plays[at - 1], Home: plays[0], End: plays[plays.length - 1],
      ArrowRight: buttons[along + 1], ArrowLeft: buttons[along - 1],
    });
    if (event.key in to) to[event.key]?.focus();
    else if (event.key === "F2") this.#edit(/** @type {HTMLElement} */ (row), entry);
    else if (event.key === "Delete") void this.#remove(entry);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {any} entry */
  sound(entry) {
    const values = /** @type {Record<string, number>} */ ({});
    for (const { name } of this.studio.store.get("session").parameters) values[name] = entry.values[name];
    // By its values and not its number, so that undo still finds it after it was taken out of the bank.
    return makeSound({ values }, { name: entry.name, origin: originOf(entry), values, places: entry.places, descriptors: entry.descriptors });
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
      el("button", { type: "button", class: "entry-play", "aria-label": `Play ${entry.name}`, "data-entry": entry.id, tabindex: -1, onclick: (/** @type {Event} */ event) => this.studio.sounds.hear(this.sound(entry), { touched: event.timeStamp }) }, canvas, icon("play")),
      el("div", { class: "entry-text" }, name, tags),
      el("div", { class: "entry-tools" },
        iconButton("edit", `Rename ${entry.name}`, () => this.#edit(row, entry), { tabindex: -1 }),
        iconButton("bin", `Remove ${entry.name} from the bank`, () => void this.#remove(entry), { tabindex: -1 })));
    return row;
  }

  /** @param {HTMLElement} row @param {any} entry */
  #edit(row, entry) {
    const name = /** @type {HTMLInputElement} */ (el("input", { type: "text", value: entry.name, maxlength: 200, "aria-label": "Name" }));
    const tags = /** @type {HTMLInputElement} */ (el("input", { type: "text", value: entry.tags.join(" "), placeholder: "tags", "aria-label": "Tags" }));
    const close = () => this.#show();
    const form = el("form", {
      class: "entry-edit",
      onkeydown: (/** @type {KeyboardEvent} */ event) => {
        if (event.key !== "Escape") return;
        event.stopPropagation(); // which would clear the selection as well
        close();
      },
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
          this.studio.status.say(change.name === entry.name ? `Tags of ${change.name} saved` : `Renamed to ${change.name}`);
          const { current } = this.studio.sounds;
          if (current?.origin === originOf(entry)) {
            current.name = change.name;
            this.studio.store.set("current", current);
          }
        } catch (error) {
          this.studio.status.fail(error);
        }
      },
    }, name, tags, el("div", { class: "bar" }, el("button", { type: "submit", class: "button main" }, "Save"), el("button", { type: "button", class: "button", onclick: close }, "Cancel")));
    fill(row, form);
    name.select();
  }

  /** Removes an entry without confirmation, and offers to restore it. @param {any} entry */
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
      // the list is usable without this picture
    }
  }

  /** @param {string} view @returns {any[]} */
  marks(view) {
    return this.entries.slice(0, 500).map((entry) => ({ kind: "kept", place: entry.places?.[view] })).filter((mark) => mark.place);
  }
}

