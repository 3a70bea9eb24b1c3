/** A/B comparison: two slots for sounds, one of which is active. */

export class Compare {
  /** @param {HTMLElement} a @param {HTMLElement} b @param {any} studio */
  constructor(a, b, studio) {
    this.studio = studio;
    this.active = "A";
    /** @type {Record<string, import("./sound.js").Sound | null>} */
    this.slots = { A: null, B: null };
    this.buttons = { A: a, B: b };
    a.addEventListener("click", () => this.choose("A"));
    b.addEventListener("click", () => this.choose("B"));
    studio.store.on("current", (/** @type {any} */ sound) => (this.slots[this.active] = sound));
  }

  change() {
    this.choose(this.active === "A" ? "B" : "A");
  }

  /** An empty slot takes the current sound, so that changes from there can be compared with it. @param {"A" | "B"} slot */
  choose(slot) {
    const { sounds, status } = this.studio;
    if (slot === this.active) {
      sounds.replay();
      return;
    }
    this.active = slot;
    for (const [name, button] of Object.entries(this.buttons)) button.setAttribute("aria-pressed", String(name === slot));
    const sound = this.slots[slot];
    if (sound) sounds.hear(sound);
    else this.slots[slot] = sounds.current;
    status.say(sound ? `${slot}: ${sound.name || sound.origin}` : `${slot} starts as a copy; edit it, and switch with Q`);
    this.studio.showMarks();
  }

  /** @param {string} view @returns {any[]} where the other one lies */
  marks(view) {
    const other = this.active === "A" ? "B" : "A";
    const place = this.slots[other]?.places[view];
    return place && this.slots[other] !== this.slots[this.active] ? [{ kind: "b", place, text: other }] : [];
  }
}
