/**
 * Similar panel: the map's sounds ranked by similarity to one, with offsets of descriptors by sliders ("like this, but
 * brighter"); or ranked search results or selections. Arrow keys step and play, K saves, S saves with the tag star.
 */
import { el, fill, icon } from "../dom.js";
import { counted, plain } from "../format.js";
import { makeSound } from "../sound.js";

/** Descriptors that can be moved, and what their ends are called. */
const SHIFTS = /** @type {[string, string, string][]} */ ([
  ["pitch", "lower", "higher"], ["brightness", "darker", "brighter"], ["attack", "faster attack", "slower attack"],
  ["decay", "shorter", "longer"], ["noisiness", "purer", "noisier"], ["loudness", "quieter", "louder"],
]);
/** Steps of a slider to each side; a step of pitch is `PITCH_STEP` semitones. */
const REACH = 4;
const PITCH_STEP = 3;
const COUNT = 60;

/** Distances of a row: of the whole spectrogram, or in the aspects that are chosen. @param {any} row @param {{name: string, unit: string}[]} chosen */
function scores(row, chosen) {
  if (!row.aspects) return `${plain(row.distance, 2)} dB`;
  return chosen.map(({ name, unit }) => {
    const value = row.aspects[name] === null ? "–" : `${plain(row.aspects[name], 2)} ${unit === "semitones" ? "st" : unit}`;
    return chosen.length > 1 ? `${name} ${value}` : value;
  }).join(" · ");
}

export class SimilarPanel {
  /** @param {HTMLElement} root @param {any} studio */
  constructor(root, studio) {
    this.studio = studio;
    /** The sound that the list is of. @type {import("../sound.js").Sound | null} */
    this.of = null;
    /** Points that it is made of; null for all. @type {number[] | null} */
    this.points = null;
    /** @type {any[]} */
    this.rows = [];
    this.at = -1;
    this.serial = 0;
    this.sliders = SHIFTS.map(([name, less, more]) => {
      const input = /** @type {HTMLInputElement} */ (el("input", { type: "range", min: -REACH, max: REACH, step: 0.5, value: 0, "aria-label": `${name}: ${less} to ${more}`, "data-shift": name }));
      const said = el("output", {}, "");
      const show = () => {
        const value = input.valueAsNumber;
        input.style.setProperty("--fill", `${50 + (50 * value) / REACH}%`);
        said.textContent = value ? (value > 0 ? more : less) : "";
      };
      input.addEventListener("input", show);
      input.addEventListener("change", () => void this.make());
      input.addEventListener("dblclick", () => { input.value = "0"; show(); void this.make(); });
      show();
      return { name, input, show, row: el("label", { class: "line" }, el("span", {}, name), input, said) };
    });
    /** @type {{name: string, unit: string, meaning: string}[]} */
    const aspects = studio.store.get("session").aspects;
    this.aspects = aspects.map(({ name, unit, meaning }) => ({ name, unit, box: /** @type {HTMLInputElement} */ (el("input", { type: "checkbox", checked: name === "overall", "data-aspect": name, onchange: () => void this.make() })), meaning }));
    this.about = el("p", { class: "note" }, "Select a sound, then list the most similar ones.");
    this.list = el("ul", { class: "ranked", role: "listbox", tabindex: 0, "aria-label": "Similar sounds; arrow keys play, K saves, S saves with a star" });
    this.list.addEventListener("keydown", (event) => this.#key(event));
    fill(root,
      el("div", { class: "bar" },
        el("button", { type: "button", class: "button main", id: "similar-make", onclick: () => void this.like() }, "More like this"),
        el("button", { type: "button", class: "button", onclick: () => this.#reset() }, "Reset")),
      aspects.length > 0 && el("fieldset", { class: "aspects" }, el("legend", {}, "Similar in"), this.aspects.map(({ name, box, meaning }) => el("label", { class: "check", title: meaning }, box, name === "amplitude" ? "amplitude over time" : name))),
      this.sliders.map(({ row }) => row), this.about, this.list,
      aspects.length > 0 && this.#duplicates());
  }

  /** The current sound becomes the one that the list is of. */
  async like() {
    const sound = await this.studio.sounds.ready();
    if (!sound) return;
    this.of = sound;
    this.points = null;
    this.studio.tabs.show("similar");
    await this.make();
  }

  /** Lists the sounds most like a recording that was put on the map. @param {any} one */
  async likeRecording(one) {
    const sound = makeSound({ imported: one.id }, { name: one.name, origin: "your recording", places: one.place });
    this.studio.sounds.hear(sound, { touched: performance.now() });
    this.of = sound;
    this.points = null;
    this.studio.tabs.show("similar");
    await this.make();
  }

  /** Groups of sounds that are nearly alike, to be listed one by one. */
  #duplicates() {
    const limit = /** @type {HTMLSelectElement} */ (el("select", { "aria-label": "Largest difference" }, [0.5, 1, 2, 4].map((value) => el("option", { value, selected: value === 1 }, `${value} dB`))));
    const groups = el("ul", { class: "chips", "aria-label": "Groups of near-duplicates" });
    const find = async () => {
      try {
        const answer = await this.studio.api.duplicates(Number(limit.value));
        fill(groups, answer.groups.slice(0, 100).map((/** @type {number[]} */ points, /** @type {number} */ i) => el("li", {}, el("button", { type: "button", class: "button", onclick: () => this.studio.select(Uint32Array.from(points), `group ${i + 1} of near-duplicates`) }, `Group ${i + 1}: ${counted(points.length, "sound")}`))));
        this.studio.status.say(`${counted(answer.groups.length, "group")} of near-duplicates`);
      } catch (error) {
        this.studio.status.fail(error);
      }
    };
    return el("details", { class: "fold" }, el("summary", {}, el("span", {}, "Near-duplicates")),
      el("div", { class: "bar" }, el("button", { type: "button", class: "button", id: "duplicates-find", onclick: () => void find() }, "Find"), limit), groups);
  }

  /** Lists some points, by their likeness to the current sound or else to the first of them. @param {Iterable<number>} points @param {string} name */
  async among(points, name) {
    this.points = [...points];
    if (!this.points.length) return;
    this.of = this.studio.sounds.current ?? makeSound({ point: this.points[0] });
    await this.make(name);
  }

  #reset() {
    for (const { input, show } of this.sliders) {
      input.value = "0";
      show();
    }
    this.points = null;
    void this.make();
  }

  /** @param {string} [name] of what was selected */
  async make(name = "") {
    if (!this.of) return;
    const serial = ++this.serial;
    const shifts = Object.fromEntries(this.sliders.filter(({ input }) => input.valueAsNumber).map(({ name: of, input }) => [of, input.valueAsNumber * (of === "pitch" ? PITCH_STEP : 1)]));
    try {
      const chosen = this.aspects.filter(({ box }) => box.checked);
      const spec = this.of.values ? { values: this.of.values } : this.of.spec;
      const answer = await this.studio.api.rank({ spec, shifts, count: COUNT, playable: this.studio.playableOnly, ...(chosen.length ? { aspects: chosen.map(({ name: of }) => of) } : {}), ...(this.points ? { points: this.points } : {}) });
      if (serial !== this.serial) return;
      this.rows = answer.sounds.map((/** @type {any} */ one) => ({ ...one, sound: makeSound({ point: one.point }, { origin: `point ${one.point}`, name: one.name ?? "" }) }));
      this.at = -1;
      this.about.textContent = `${counted(this.rows.length, "sound")}${name ? ` for ${name}` : ""}, ordered by similarity to ${this.of.name || "the first"}${answer.complete ? "" : "; descriptors are still being measured"}.`;
      fill(this.list, this.rows.map((row, i) => el("li", { class: "ranked-row", role: "option", "aria-selected": "false", onclick: (/** @type {Event} */ event) => this.play(i, event.timeStamp) },
        icon("play"), el("span", {}, row.name ?? `point ${row.point}`), el("small", {}, scores(row, chosen)))));
      this.#ahead(0);
    } catch (error) {
      this.studio.status.fail(error);
    }
  }

  /** @param {number} i @param {number} touched */
  play(i, touched) {
    const row = this.rows[i];
    if (!row) return;
    this.at = i;
    [...this.list.children].forEach((item, k) => item.setAttribute("aria-selected", String(k === i)));
    this.list.children[i].scrollIntoView({ block: "nearest" });
    this.studio.sounds.hear(row.sound, { touched });
    this.#ahead(i + 1);
  }

  /** Fetches the next sounds, so that they play at once. @param {number} from */
  async #ahead(from) {
    const serial = this.serial;
    for (const row of this.rows.slice(from, from + 3)) {
      if (row.sound.buffer) continue;
      try {
        await this.studio.sounds.fetch(row.sound);
      } catch {
        return; // fetched again when played
      }
      if (serial !== this.serial) return;
    }
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const step = /** @type {Record<string, number>} */ ({ ArrowDown: 1, ArrowUp: -1 })[event.key];
    const save = /** @type {Record<string, string[]>} */ ({ k: [], s: ["star"] })[event.key.toLowerCase()];
    if (step) this.play(Math.min(this.rows.length - 1, Math.max(0, this.at + step)), event.timeStamp);
    else if (event.key === "Enter") this.play(Math.max(0, this.at), event.timeStamp);
    else if (save && !event.ctrlKey && !event.metaKey) void this.#save(save);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {string[]} tags */
  async #save(tags) {
    const row = this.rows[this.at];
    if (!row) return;
    try {
      const entry = await this.studio.api.keep(row.sound.spec, row.name ?? "", tags);
      if (!entry.new && tags.length) await this.studio.api.change(entry.id, { add: tags });
      this.studio.status.say(`Saved ${entry.name}${tags.length ? " with a star" : ""}`);
      await this.studio.refreshBank();
    } catch (error) {
      this.studio.status.fail(error);
    }
  }
}
