/**
 * Audio output. One sound at a time is auditioned, each new one crossfaded over the last; keys are separate voices.
 *
 * @typedef {{buffer: AudioBuffer, source: AudioBufferSourceNode, gain: GainNode, started: number}} Playing
 */
import { readWav } from "./wav.js";

/** Seconds of a crossfade: long enough to avoid clicks, short enough to seem immediate. */
const FADE = 0.025;
/** Seconds that a crossfade between a held sound and its release takes. */
const RELEASE_FADE = 0.015;

export class AudioEngine {
  constructor() {
    /** @type {AudioContext | null} */
    this.context = null;
    /** @type {AnalyserNode | null} */
    this.analyser = null;
    /** @type {GainNode | null} */
    this.master = null;
    this.volume = 0.8;
    /** Whether all sounds are brought to one loudness. */
    this.levelled = true;
    /** @type {Playing | null} */
    this.auditioned = null;
    /** Called when the auditioned sound starts and ends. @type {((playing: boolean) => void)[]} */
    this.listeners = [];
  }

  /** The audio graph, created on first use: browsers block audio before a user gesture. */
  open() {
    if (!this.context) {
      this.context = new AudioContext({ latencyHint: "interactive" });
      this.master = this.context.createGain();
      this.master.gain.value = this.volume ** 2;
      this.analyser = this.context.createAnalyser();
      this.analyser.fftSize = 2048;
      // Limits the sum of chords and overlapping sounds above -3 dB.
      const limiter = new DynamicsCompressorNode(this.context, { threshold: -3, knee: 0, ratio: 20, attack: 0.002, release: 0.1 });
      this.master.connect(limiter).connect(this.analyser).connect(this.context.destination);
    }
    if (this.context.state !== "running") this.context.resume().catch(() => {}); // stays silent until a touch
    return this.context;
  }

  /** @param {number} volume 0 to 1 */
  setVolume(volume) {
    this.volume = volume;
    if (this.context && this.master) this.master.gain.setTargetAtTime(volume ** 2, this.context.currentTime, 0.01);
  }

  /** @param {ArrayBuffer} bytes of a WAV file @returns {Promise<AudioBuffer>} */
  async decode(bytes) {
    const context = this.open();
    const sound = readWav(bytes);
    if (!sound) return context.decodeAudioData(bytes);
    const buffer = context.createBuffer(sound.channels.length, Math.max(1, sound.channels[0].length), sound.rate);
    sound.channels.forEach((samples, channel) => buffer.copyToChannel(samples, channel));
    return buffer;
  }

  /** @param {AudioBuffer} buffer @param {number} level @param {number} [offset] seconds into the sound @param {number} [rise] seconds */
  #start(buffer, level, offset = 0, rise = 0.002) {
    const context = this.open();
    const source = context.createBufferSource();
    source.buffer = buffer;
    const gain = context.createGain();
    const now = context.currentTime;
    gain.gain.setValueAtTime(0, now);
    gain.gain.linearRampToValueAtTime(level, now + rise);
    source.connect(gain).connect(/** @type {GainNode} */ (this.master));
    source.start(0, offset);
    return { buffer, source, gain, started: now - offset };
  }

  /** @param {Playing} playing @param {number} seconds until it is silent */
  #fade(playing, seconds) {
    const now = this.open().currentTime;
    playing.gain.gain.cancelScheduledValues(now);
    playing.gain.gain.setTargetAtTime(0, now, seconds / 3);
    playing.source.stop(now + 2 * seconds);
  }

  /** The level of a sound. @param {number} gain to one loudness */
  level(gain) {
    return this.levelled ? gain : 1;
  }

  /** Plays a sound in place of the last one. @param {AudioBuffer} buffer @param {number} [gain] to one loudness */
  audition(buffer, gain = 1) {
    if (this.auditioned) this.#fade(this.auditioned, FADE);
    const playing = this.#start(buffer, this.level(gain), 0, this.auditioned ? FADE / 2 : 0.002);
    this.auditioned = playing;
    playing.source.onended = () => {
      if (this.auditioned !== playing) return;
      this.auditioned = null;
      this.#tell(false);
    };
    this.#tell(true);
  }

  silence() {
    if (!this.auditioned) return;
    this.#fade(this.auditioned, FADE);
    this.auditioned = null;
    this.#tell(false);
  }

  /** Seconds into the auditioned sound, or null where none plays. */
  get position() {
    if (!this.auditioned || !this.context) return null;
    return this.context.currentTime - this.auditioned.started;
  }

  /** @param {boolean} playing */
  #tell(playing) {
    for (const listener of this.listeners) listener(playing);
  }

  /** A key goes down. @param {AudioBuffer} buffer held sound @param {number} level @returns {Playing} */
  hold(buffer, level) {
    return this.#start(buffer, level);
  }

  /**
   * A key goes up: from the held sound to the one that was let go at the same moment, which is the same until then.
   * @param {Playing} voice @param {AudioBuffer | null} released @param {number} level
   */
  release(voice, released, level) {
    const context = this.open();
    const offset = context.currentTime - voice.started;
    if (released && offset < released.duration) this.#start(released, level, offset, RELEASE_FADE);
    this.#fade(voice, released ? RELEASE_FADE : 0.08);
  }
}
