/** A recording from the microphone, as a WAV file. */
import { writeWav } from "./wav.js";

/** Seconds after which a recording ends by itself. */
const LONGEST = 10;

/** Whether this browser, at this address, can record. */
export const canRecord = () => Boolean(navigator.mediaDevices?.getUserMedia) && typeof MediaRecorder === "function";

export class Recorder {
  constructor() {
    /** @type {MediaRecorder | null} */
    this.recorder = null;
  }

  get running() {
    return this.recorder !== null;
  }

  /** Records until `stop`, or for ten seconds. @returns {Promise<File>} */
  async record() {
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
    } catch (error) {
      const refused = error instanceof DOMException && error.name === "NotAllowedError";
      throw new Error(refused ? "The browser does not let this page use the microphone; allow it beside the address" : "No microphone was found");
    }
    const recorder = new MediaRecorder(stream);
    this.recorder = recorder;
    /** @type {Blob[]} */
    const parts = [];
    recorder.addEventListener("dataavailable", (event) => parts.push(event.data));
    const ended = new Promise((done) => recorder.addEventListener("stop", done));
    recorder.start();
    const timer = window.setTimeout(() => this.stop(), 1000 * LONGEST);
    await ended;
    window.clearTimeout(timer);
    this.recorder = null;
    for (const track of stream.getTracks()) track.stop();
    const context = new OfflineAudioContext(1, 1, 44100);
    const sound = await context.decodeAudioData(await new Blob(parts, { type: recorder.mimeType }).arrayBuffer());
    const channels = Array.from({ length: sound.numberOfChannels }, (_, i) => sound.getChannelData(i));
    const time = new Date().toTimeString().slice(0, 8).replaceAll(":", ".");
    return new File([writeWav(channels, sound.sampleRate)], `recorded at ${time}.wav`, { type: "audio/wav" });
  }

  stop() {
    if (this.recorder?.state === "recording") this.recorder.stop();
  }
}
