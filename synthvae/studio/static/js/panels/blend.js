/** Blend panel: weighted sums and differences of sounds. */
import { el, fill, iconButton } from "../dom.js";
import { parseNumber, plain } from "../format.js";
import { makeSound } from "../sound.js";

export class BlendPanel {
  /** @param {HTMLElement} root @param {any} studio */
  constructor(root, studio) {
    this.studio = studio;
    /** @type {{sound: import("../sound.js").Sound, weight: number}[]} */
    this.picked = [];
    this.list = el("ul", { class: "chips", "aria-label": "Picked sounds" });
    this.make = /** @type {HTMLButtonElement} */ (el("button", { type: "button", class: "button main", id: "blend-make", disabled: true, onclick: () => this.blend() }, "Play the blend"));
    fill(root,
      el("div", { class: "bar" },
        el("button", { type: "button", class: "button", id: "blend-plus", onclick: () => this.add(null, 1) }, "+ this sound"),
        el("button", { type: "button", class: "button", id: "blend-minus", onclick: () => this.add(null, -1) }, "− this sound"),
        el("button", { type: "button", class: "button", onclick: () => this.clear() }, "Clear")),
      el("p", { class: "note" }, "On the map: Shift+click adds a sound, Alt+click subtracts one. Bright − dark + yours adds the difference of the first two to yours."),
      this.list, el("div", { class: "bar" }, this.make));
    this.#show();
  }

  /** @param {import("../sound.js").Sound | null} sound the current one where null @param {number} weight */
  async add(sound, weight) {
    const added = sound ? await this.studio.sounds.describe(sound) : await this.studio.sounds.ready();
    if (!added || !added.described) return;
    this.picked.push({ sound: added, weight });
    this.#changed(`${weight > 0 ? "Added" : "Subtracted"}: ${added.name}`);
  }

  clear() {
    this.picked = [];
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
      return el("li", { class: "chip" }, sign, weight,
        el("button", { type: "button", class: "chip-name", title: "Play", onclick: () => this.studio.sounds.hear(pick.sound) }, pick.sound.name),
        iconButton("close", `Remove ${pick.sound.name}`, () => { this.picked.splice(i, 1); this.#changed(`Removed ${pick.sound.name}`); }));
    }));
  }

  async blend() {
    if (!this.picked.length) return;
    try {
      this.studio.status.say("Blending…");
      const answer = await this.studio.api.blend(this.picked.map(({ sound }) => sound.spec), this.picked.map(({ weight }) => weight));
      const origin = this.picked.length > 4 ? `blend of ${this.picked.length} sounds` : this.picked.map(({ sound, weight }, i) => `${weight < 0 ? "− " : i ? "+ " : ""}${sound.name}`).join(" ");
      const spec = answer.values ? { values: answer.values } : { latent: answer.latent };
      this.studio.sounds.hear(makeSound(spec, { origin, values: answer.values ?? null, latent: answer.latent, places: answer.place }));
    } catch (error) {
      this.studio.status.fail(error);
    }
  }

  /** @param {string} view @returns {any[]} */
  marks(view) {
    return this.picked.map(({ sound, weight }) => ({ kind: weight < 0 ? "minus" : "plus", place: sound.places[view] })).filter((mark) => mark.place);
  }
}
