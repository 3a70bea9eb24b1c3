/**
 * The current sound at other pitches: a piano keyboard on the page, two rows of letter keys, and MIDI input.
 *
 * Key down requests the sound with the longest hold of the Voice; key up, the sound held until then. Both are the same
 * up to the release, so playback switches from the first to the second at its position.
 */
import { el, fill, icon } from "./dom.js";
import { noteName } from "./format.js";

const ROW = "awsedftgyhujkolp";
const BLACK = [1, 3, 6, 8, 10];
const LOWEST = 0;
const HIGHEST = 8;

export class Keyboard {
  /** @param {HTMLElement} root @param {any} studio */
  constructor(root, studio) {
    this.studio = studio;
    this.octave = 4;
    this.on = true;
    /** The spec that the held sounds are of. @type {any} */
    this.of = null;
    const { parameters, played } = studio.store.get("session");
    const duration = parameters.find((/** @type {any} */ p) => p.name === played.hold);
    /** Seconds that a key can be held; undefined where the synth holds none. @type {number | undefined} */
    this.longest = played.hold === null ? undefined : (duration?.maximum ?? 4);
    /** @type {Map<number, {down: number, velocity: number, voice: any, up: boolean}>} */
    this.held = new Map();
    /** @type {Map<string, number>} letters that are down, and their notes */
    this.letters = new Map();
    /** Held sounds of the current preset by note. @type {Map<number, Promise<{buffer: AudioBuffer, gain: number}>>} */
    this.ready = new Map();
    studio.store.on("current", (/** @type {any} */ sound) => {
      if (this.of === sound?.spec) return;
      this.of = sound?.spec;
      this.ready.clear();
    });
    this.range = el("output", {}, "");
    this.midi = el("button", { type: "button", class: "button", id: "midi", title: "Play with a MIDI keyboard" }, icon("midi"), el("span", {}, "MIDI"));
    const letters = /** @type {HTMLInputElement} */ (el("input", { type: "checkbox", checked: true, id: "letters", onchange: () => { this.on = letters.checked; this.#draw(); } }));
    this.keys = el("div", { class: "piano", role: "group", "aria-label": "Keys" });
    fill(root,
      el("div", { class: "keys-side" },
        el("div", { class: "octave" },
          el("button", { type: "button", class: "button", id: "octave-down", "aria-label": "An octave lower (Z)", title: "An octave lower (Z)", onclick: () => this.shift(-1) }, "−"),
          this.range,
          el("button", { type: "button", class: "button", id: "octave-up", "aria-label": "An octave higher (X)", title: "An octave higher (X)", onclick: () => this.shift(1) }, "+")),
        el("label", { class: "check", title: "Letter keys play notes and switch tools" }, letters, "letters"),
        this.midi),
      this.keys);
    this.#draw();
  }

  /** @param {number} octaves */
  shift(octaves) {
    this.octave = Math.min(HIGHEST, Math.max(LOWEST, this.octave + octaves));
    for (const note of this.held.keys()) this.up(note);
    this.#draw();
    this.studio.status.say(`Keys from ${noteName(12 * (this.octave + 1))}`);
  }

  #draw() {
    const first = 12 * (this.octave + 1);
    this.range.textContent = `${noteName(first)}–${noteName(first + 24)}`;
    fill(this.keys, Array.from({ length: 25 }, (_, i) => i).filter((i) => first + i <= 127).map((i) => {
      const note = first + i;
      const black = BLACK.includes(i % 12);
      const key = el("button", { type: "button", class: `key${black ? " black" : ""}`, "data-note": note, "aria-label": noteName(note), tabindex: i ? -1 : 0 },
        this.on && i < ROW.length ? el("kbd", { "aria-hidden": "true" }, ROW[i].toUpperCase()) : null);
      key.addEventListener("pointerdown", (event) => {
        const box = key.getBoundingClientRect();
        key.releasePointerCapture?.(event.pointerId);
        this.down(note, 0.35 + 0.65 * ((event.clientY - box.top) / box.height), event.timeStamp); // louder further down
      });
      key.addEventListener("pointerenter", (event) => event.buttons === 1 && this.down(note, 0.8, event.timeStamp));
      for (const end of ["pointerup", "pointerleave", "pointercancel"]) key.addEventListener(end, () => this.up(note));
      key.addEventListener("keydown", (event) => this.#onKey(event, i));
      key.addEventListener("keyup", (event) => (event.key === "Enter" || event.key === " ") && this.up(note));
      return key;
    }));
  }

  /** Arrow keys walk along the row, Enter and the space bar press. @param {KeyboardEvent} event @param {number} i */
  #onKey(event, i) {
    const step = /** @type {Record<string, number>} */ ({ ArrowLeft: -1, ArrowRight: 1 })[event.key];
    if (step) {
      const next = /** @type {HTMLElement | undefined} */ (this.keys.children[i + step]);
      if (next) next.tabIndex = 0;
      next?.focus();
      event.preventDefault();
    } else if ((event.key === "Enter" || event.key === " ") && !event.repeat) {
      event.preventDefault();
      event.stopPropagation();
      this.down(12 * (this.octave + 1) + i, 0.8, event.timeStamp);
    }
  }

  /** @param {string} code of a keyboard event, such as KeyA @param {boolean} down @param {number} touched @returns {boolean} whether it is a key of ours */
  letter(code, down, touched) {
    const letter = code.startsWith("Key") ? code.slice(3).toLowerCase() : "";
    const i = ROW.indexOf(letter);
    if (i < 0 || !letter) return false;
    if (down) {
      const note = 12 * (this.octave + 1) + i;
      this.letters.set(letter, note);
      this.down(note, 0.8, touched);
    } else {
      const note = this.letters.get(letter);
      this.letters.delete(letter);
      if (note !== undefined) this.up(note);
    }
    return true;
  }

  /** @param {number} note MIDI number @param {number} velocity 0 to 1 @param {number} [touched] */
  async down(note, velocity, touched = performance.now()) {
    const { sounds, audio, api, status } = this.studio;
    const sound = sounds.current;
    if (!sound) {
      status.say("Choose a sound on the map first, then play it on the keys");
      return;
    }
    if (this.held.has(note) || note < 0 || note > 127) return;
    audio.open();
    const key = { down: performance.now(), velocity: velocity ** 1.6, voice: null, up: false };
    this.held.set(note, key);
    this.#light(note, true);
    try {
      let asked = this.ready.get(note);
      if (!asked) {
        asked = api.render(sound.spec, { note, hold: this.longest }).then(async (/** @type {any} */ answer) => ({ buffer: await audio.decode(answer.bytes), gain: answer.gain }));
        this.ready.set(note, /** @type {Promise<{buffer: AudioBuffer, gain: number}>} */ (asked));
      }
      const { buffer, gain } = await /** @type {Promise<{buffer: AudioBuffer, gain: number}>} */ (asked);
      key.velocity *= audio.level(gain); // of the release as well
      if (!key.up || performance.now() - key.down < 400) {
        key.voice = audio.hold(buffer, key.velocity);
        key.down = performance.now();
        this.studio.played(touched);
      }
      if (key.up) void this.#letGo(note, key, sound, 0.03);
    } catch (error) {
      this.ready.delete(note);
      this.held.delete(note);
      status.fail(error);
    }
  }

  /** @param {number} note */
  up(note) {
    const key = this.held.get(note);
    if (!key) return;
    key.up = true;
    this.held.delete(note);
    this.#light(note, false);
    if (key.voice) void this.#letGo(note, key, this.studio.sounds.current, (performance.now() - key.down) / 1000);
  }

  /** @param {number} note @param {any} key @param {any} sound @param {number} seconds that the key was down */
  async #letGo(note, key, sound, seconds) {
    const { api, audio } = this.studio;
    if (!key.voice) return; // released before playback started
    if (this.longest === undefined) return; // ends by itself, however long the key is down
    const hold = Math.min(this.longest, Math.max(0.01, seconds));
    if (hold >= this.longest) return; // already released by the synthesizer
    try {
      const answer = await api.render(sound.spec, { note, hold });
      audio.release(key.voice, await audio.decode(answer.bytes), key.velocity);
    } catch {
      audio.release(key.voice, null, key.velocity);
    }
  }

  /** @param {number} note @param {boolean} on */
  #light(note, on) {
    this.keys.querySelector(`[data-note="${note}"]`)?.classList.toggle("down", on);
  }

  silence() {
    for (const note of [...this.held.keys()]) this.up(note);
    this.letters.clear();
  }
}
