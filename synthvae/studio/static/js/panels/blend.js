/** Blend panel: weighted sums and differences of sounds. */
import { el, fill, iconButton, settled } from "../dom.js";
import { parseNumber, plain } from "../format.js";
import { makeSound, specOf } from "../sound.js";

export class BlendPanel {
  /** @param {HTMLElement} root @param {any} studio */
  constructor(root, studio) {
    this.studio = studio;
    /** @type {{sound: import("../sound.js").Sound, weight: number}[]} */
    this.picked = [];
    /** What the sounds are added to. @type {import("../sound.js").Sound | null} */
    this.base = null;
    this.onto = /** @type {HTMLInputElement} */ (el("input", { type: "checkbox", checked: true, id: "blend-onto" }));
    this.live = settled(() => void this.blend(false), 60);
    this.serial = 0;
    this.list = el("ul", { class: "chips", "aria-label": "Picked sounds" });
    this.make = /** @type {HTMLButtonElement} */ (el("button", { type: "button", class: "button main", id: "blend-make", disabled: true, onclick: () => this.blend() }, "Play the blend"));
    fill(root,
      el("div", { class: "bar" },
        el("button", { type: "button", class: "button", id: "blend-plus", onclick: () => this.add(null, 1) }, "+ this sound"),
        el("button", { type: "button", class: "button", id: "blend-minus", onclick: () => this.add(null, -1) }, "− this sound"),
        el("button", { type: "button", class: "button", onclick: () => this.clear() }, "Clear")),
      el("p", { class: "note" }, "On the map: Shift+click adds a sound, Alt+click subtracts one; then move their weights. Bright − dark adds the difference of the two."),
      el("label", { class: "check" }, this.onto, "Add to the sound that was current before the first pick"),
      this.list, el("div", { class: "bar" }, this.make));
    this.#show();
  }

  /**
   * @param {import("../sound.js").Sound | null} sound the current one where null @param {number} weight
   * @param {import("../sound.js").Sound | null} [base] what the first one is added to
   */
  async add(sound, weight, base = null) {
    const added = sound ? await this.studio.sounds.describe(sound) : await this.studio.sounds.ready();
    if (!added || !added.described) return;
    if (!this.picked.length) this.base = base;
    this.picked.push({ sound: added, weight });
    this.#changed(`${weight > 0 ? "Added" : "Subtracted"}: ${added.name}`);
  }

  clear() {
    this.picked = [];
    this.base = null;
    this.#changed("No sounds picked");
  }

  /** @param {string} said */
  #changed(said) {
    this.#show();
    this.studio.showMarks();
    this.studio.tabs.count("blend", this.picked.length);
    this.studio.status.say(said);
  }

  #show() {
    this.make.disabled = !this.picked.length;
    fill(this.list, this.picked.map((pick, i) => {
      const sign = el("button", { type: "button", class: `sign ${pick.weight < 0 ? "less" : ""}`, "aria-label": `${pick.weight < 0 ? "Minus" : "Plus"}; change the sign of ${pick.sound.name}`, onclick: () => { pick.weight = -pick.weight; this.#changed(`${pick.weight < 0 ? "Minus" : "Plus"} ${pick.sound.name}`); } }, pick.weight < 0 ? "−" : "+");
      const weight = /** @type {HTMLInputElement} */ (el("input", { type: "text", inputmode: "decimal", class: "number", value: plain(Math.abs(pick.weight)), "aria-label": `Weight of ${pick.sound.name}` }));
      weight.addEventListener("change", () => {
        const typed = parseNumber(weight.value);
        if (Number.isFinite(typed)) pick.weight = Math.abs(typed) * Math.sign(pick.weight || 1);
        this.#show();
      });
      const slider = /** @type {HTMLInputElement} */ (el("input", { type: "range", min: -1.5, max: 1.5, step: 0.05, value: pick.weight, class: "blend-weight", "aria-label": `Weight of ${pick.sound.name}, live` }));
      slider.style.setProperty("--fill", `${50 + (50 * pick.weight) / 1.5}%`);
      slider.addEventListener("input", () => {
        pick.weight = slider.valueAsNumber;
        slider.style.setProperty("--fill", `${50 + (50 * pick.weight) / 1.5}%`);
        weight.value = plain(Math.abs(pick.weight));
        sign.textContent = pick.weight < 0 ? "−" : "+";
        this.live();
      });
      slider.addEventListener("change", () => this.studio.sounds.record());
      return el("li", { class: "chip" }, sign, weight, slider,
        el("button", { type: "button", class: "chip-name", title: "Play", onclick: () => this.studio.sounds.hear(pick.sound) }, pick.sound.name),
        iconButton("close", `Remove ${pick.sound.name}`, () => { this.picked.splice(i, 1); this.#changed(`Removed ${pick.sound.name}`); }));
    }));
  }

  /** @param {boolean} [record] whether undo comes back to before it */
  async blend(record = true) {
    if (!this.picked.length) return;
    const serial = ++this.serial;
    try {
      if (record) this.studio.status.say("Blending…");
      const base = this.onto.checked ? this.base?.spec : null;
      const answer = await this.studio.api.blend(this.picked.map(({ sound }) => sound.spec), this.picked.map(({ weight }) => weight), base);
      if (serial !== this.serial) return;
      if (answer.share < 1) this.studio.status.say(answer.share ? `Silent at full weights; scaled to ${Math.round(100 * answer.share)} %` : "Silent at any scale of these weights");
      const origin = this.picked.length > 4 ? `blend of ${this.picked.length} sounds` : this.picked.map(({ sound, weight }, i) => `${weight < 0 ? "− " : i ? "+ " : ""}${sound.name}`).join(" ");
      this.studio.sounds.hear(makeSound(specOf(answer), { origin: base ? `${this.base?.name || "sound"} + ${origin}` : origin, values: answer.values ?? null, latent: answer.latent, places: answer.place }), { record });
    } catch (error) {
      this.studio.status.fail(error);
    }
  }

  /** @param {string} view @returns {any[]} */
  marks(view) {
    return this.picked.map(({ sound, weight }) => ({ kind: weight < 0 ? "minus" : "plus", place: sound.places[view] })).filter((mark) => mark.place);
  }
}
