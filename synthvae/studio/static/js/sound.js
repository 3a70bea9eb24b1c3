/**
 * The current sound: requests, playback, description, and undo.
 *
 * A sound is requested twice: first to be played (POST /render), then to be described (POST /sounds: name, values,
 * places), when the pointer rests. Everything that changes the current sound goes through `hear`.
 */
import { settled } from "./dom.js";

/** Concurrent render requests: one renders while the other is transferred; more would only queue. */
const IN_FLIGHT = 2;
/** Number of recent sounds whose samples are cached. */
const KEPT = 48;
/** Milliseconds of rest after which a sound is described. */
const REST = 90;
/** Milliseconds that drawing waits for the samples: both at once would double the time until the sound starts. */
const PATIENCE = 100;

/**
 * @typedef {{
 *   spec: any, origin: string, name: string, values: Record<string, number> | null, latent: number[] | null,
 *   places: Record<string, number[]>, descriptors: Record<string, number | null> | null, inside: boolean,
 *   movedFrom: {view: string, place: number[]} | null, confidence: number | null, nearest: number[],
 *   buffer: AudioBuffer | null, gain: number, described: boolean, drag: boolean}} Sound
 */

/** @param {any} spec @param {Partial<Sound>} known @returns {Sound} */
export function makeSound(spec, known = {}) {
  return {
    spec, origin: "", name: "", values: null, latent: null, places: {}, descriptors: null, inside: true,
    movedFrom: null, confidence: null, nearest: [], buffer: null, gain: 1, described: false, drag: false, ...known,
  };
}

/** The spec of a sound that was answered: of its values, or of its latent where it has none. @param {{values?: any, latent: number[]}} one */
export const specOf = (one) => (one.values ? { values: one.values } : { latent: one.latent });

export class Sounds {
  /**
   * @param {import("./api.js").Api} api @param {import("./audio.js").AudioEngine} audio
   * @param {import("./state.js").Store} store @param {import("./state.js").History} history
   * @param {{say: (text: string) => void, fail: (error: unknown) => void}} status
   */
  constructor(api, audio, store, history, status) {
    this.api = api;
    this.audio = audio;
    this.store = store;
    this.history = history;
    this.status = status;
    /** @type {{sound: Sound, touched: number | null, serial: number} | null} */
    this.waiting = null;
    this.inFlight = 0;
    this.serial = 0;
    this.heard = 0;
    /** The dot that a drag has just played. @type {number | undefined} */
    this.dragged = undefined;
    /** @type {Sound[]} */
    this.kept = [];
    /**
     * Latency in milliseconds from each input event, for the benchmark: until the request was sent, until the answer
     * arrived, and until playback started.
     * @type {{request: number, answer: number, total: number}[]}
     */
    this.latencies = [];
    this.describeSoon = settled((/** @type {Sound} */ sound) => void this.describe(sound), REST);
  }

  /** @returns {Sound | null} */
  get current() {
    return this.store.get("current");
  }

  /**
   * Makes a sound the current one and plays it.
   * @param {Sound} sound
   * @param {{record?: boolean, touched?: number | null, quiet?: boolean}} how
   *     record: whether to add it to the undo history; touched: time of the input event, as `performance.now()`;
   *     quiet: whether not to play it
   */
  hear(sound, { record = true, touched = null, quiet = false } = {}) {
    const pending = !quiet && !sound.buffer;
    if (pending) {
      this.waiting = { sound, touched, serial: ++this.serial };
      this.#next();
    }
    if (pending && !sound.drag) {
      this.store.put("current", sound);
      setTimeout(() => this.current === sound && !sound.buffer && this.store.set("current", sound), PATIENCE);
    } else this.store.set("current", sound);
    if (record) this.history.push(sound);
    if (!quiet && sound.buffer) this.#play(sound, ++this.serial);
    if (!sound.described) this.describeSoon(sound);
  }

  /** Adds the sound at the end of a gesture (a drag, a slider) to the undo history. */
  record() {
    if (this.current && this.history.entries[this.history.position] !== this.current) this.history.push(this.current);
  }

  /** Plays the current sound again. */
  replay() {
    if (this.current) this.hear(this.current, { record: false });
  }

  undo() {
    const sound = this.history.undo();
    if (sound) this.hear(sound, { record: false });
    else this.status.say("Nothing to undo");
  }

  redo() {
    const sound = this.history.redo();
    if (sound) this.hear(sound, { record: false });
    else this.status.say("Nothing to redo");
  }

  /** Sends the newest waiting request when a slot is free; older waiting ones are dropped. */
  #next() {
    if (!this.waiting || this.inFlight >= IN_FLIGHT) return;
    const { sound, touched, serial } = this.waiting;
    this.waiting = null;
    this.inFlight++;
    void this.#fetch(sound, touched, serial).finally(() => {
      this.inFlight--;
      this.#next();
    });
  }

  /** @param {Sound} sound @param {number | null} touched @param {number} serial */
  async #fetch(sound, touched, serial) {
    const left = performance.now();
    performance.mark("synthvae:request");
    try {
      const answer = await this.api.render(sound.spec);
      const arrived = performance.now();
      performance.mark("synthvae:answer");
      if (sound.spec.place && answer.place) {
        const { view, x, y } = sound.spec.place;
        sound.places = { ...sound.places, [view]: answer.place };
        sound.inside = answer.inside ?? true;
        sound.movedFrom = sound.inside ? null : { view, place: [x, y] };
        if (answer.point === null) sound.confidence = answer.confidence;
        else {
          sound.spec = { point: answer.point }; // what it snapped to, whatever the view
          sound.origin = `point ${answer.point}`;
        }
      }
      sound.buffer = await this.audio.decode(answer.bytes);
      sound.gain = answer.gain;
      if (serial < this.heard) return; // a newer one plays already
      if (sound.drag && sound.spec.point !== undefined && sound.spec.point === this.dragged) return; // the pointer is still at that dot
      this.dragged = sound.spec.point;
      this.#play(sound, serial);
      if (touched !== null) {
        performance.mark("synthvae:sound");
        performance.measure("synthvae:touch to sound", { start: touched });
        this.latencies.push({ request: left - touched, answer: arrived - touched, total: performance.now() - touched });
        if (this.latencies.length > 1000) this.latencies.shift();
      }
      if (this.current === sound) this.store.set("current", sound);
    } catch (error) {
      if (serial >= this.heard) this.status.fail(error);
    }
  }

  /** Fetches a sound ahead of being played. @param {Sound} sound */
  async fetch(sound) {
    if (sound.buffer) return;
    const answer = await this.api.render(sound.spec);
    sound.gain = answer.gain;
    sound.buffer = await this.audio.decode(answer.bytes);
  }

  /** @param {Sound} sound @param {number} serial */
  #play(sound, serial) {
    this.heard = serial;
    this.audio.audition(/** @type {AudioBuffer} */ (sound.buffer), sound.gain);
    this.kept = [...this.kept.filter((other) => other !== sound), sound];
    while (this.kept.length > KEPT) {
      const old = /** @type {Sound} */ (this.kept.shift());
      if (old !== this.current) old.buffer = null;
    }
    this.store.set("played", sound);
  }

  /** Name, values and places of a sound. @param {Sound} sound @returns {Promise<Sound>} */
  async describe(sound) {
    if (sound.described) return sound;
    try {
      const answer = await this.api.sounds(sound.spec, this.store.get("view"));
      sound.name = sound.name || answer.name || "unnamed";
      sound.values = sound.values ?? answer.values;
      sound.latent = answer.latent;
      sound.descriptors = answer.descriptors;
      sound.nearest = answer.nearest;
      sound.places = answer.places;
      if (sound.spec.place && answer.point !== null) sound.spec = { point: answer.point };
      if (sound.spec.place) {
        sound.confidence = answer.confidence;
        sound.inside = answer.inside;
        if (answer.moved_to) {
          sound.places[sound.spec.place.view] = answer.moved_to;
          sound.movedFrom = { view: sound.spec.place.view, place: [sound.spec.place.x, sound.spec.place.y] };
        }
      }
      sound.described = true;
      if (this.current === sound) {
        this.store.set("current", sound);
        this.store.set("described", sound);
      }
    } catch (error) {
      if (this.current === sound) this.status.fail(error);
    }
    return sound;
  }

  /** The current sound, described, or null after an error was shown. @returns {Promise<Sound | null>} */
  async ready() {
    if (!this.current) {
      this.status.say("Choose a sound on the map first");
      return null;
    }
    const sound = await this.describe(this.current);
    return sound.described ? sound : null;
  }
}
