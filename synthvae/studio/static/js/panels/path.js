/** Path panel: a line on the map as a morph, played in steps, downloaded as one WAV or as presets. */
import { download, el, fill } from "../dom.js";
import { counted, plain } from "../format.js";

export class PathPanel {
  /** @param {HTMLElement} root @param {any} studio */
  constructor(root, studio) {
    this.studio = studio;
    /** @type {{view: string, places: number[][]} | null} */
    this.drawn = null;
    /** Sounds that were added one by one, which need no line. @type {import("../sound.js").Sound[]} */
    this.stops = [];
    /** @type {{key: string, buffer: AudioBuffer, bytes: ArrayBuffer} | null} */
    this.made = null;
    this.steps = this.#slider("Steps", 2, 64, 1, 16, (value) => String(value));
    // Negative: sounds overlap, which makes a continuous morph.
    const seconds = studio.store.get("session").settings.seconds;
    this.gap = this.#slider("Between", -Math.min(2, seconds), 1, 0.05, -Math.min(2, seconds) * 0.8, (value) => (value < 0 ? `${plain(-value, 2)} s overlap` : `${plain(value, 2)} s silence`));
    this.even = /** @type {HTMLInputElement} */ (el("input", { type: "checkbox" }));
    this.about = el("p", { class: "note" });
    const button = (/** @type {string} */ id, /** @type {string} */ text, /** @type {() => void} */ onclick, main = false) => el("button", { type: "button", class: `button${main ? " main" : ""}`, id, onclick }, text);
    this.playing = [
      button("path-play", "Play", () => void this.play(), true),
      button("path-wav", "WAV", () => void this.#wav()),
      button("path-zip", studio.can.parameters ? "Presets (zip)" : "Sounds (zip)", () => void this.#zip()),
      button("path-clear", "Clear", () => this.clear()),
    ];
    fill(root,
      el("div", { class: "bar" }, button("path-draw", "Draw on the map", () => studio.useTool("pen")), button("path-stop", "Add this sound", () => void this.addStop())),
      this.about, this.steps.root, this.gap.root,
      el("label", { class: "check" }, this.even, `Perceptually equal steps, instead of ${studio.can.parameters ? "smooth ones" : "equal steps of the latents"}`),
      el("div", { class: "bar" }, this.playing));
    this.#show();
  }

  /** @param {string} title @param {number} min @param {number} max @param {number} step @param {number} value @param {(value: number) => string} say */
  #slider(title, min, max, step, value, say) {
    const input = /** @type {HTMLInputElement} */ (el("input", { type: "range", min, max, step, value }));
    const output = el("output", {});
    const show = () => {
      input.style.setProperty("--fill", `${(100 * (input.valueAsNumber - min)) / (max - min)}%`);
      output.textContent = say(input.valueAsNumber);
    };
    input.addEventListener("input", show);
    show();
    return { root: el("label", { class: "line" }, el("span", {}, title), input, output), input };
  }

  /** @param {string} view @param {number[][]} places drawn on the map */
  draw(view, places) {
    this.studio.audio.silence(); // the playback position belongs to the old path
    this.drawn = places.length > 1 ? { view, places } : null;
    this.stops = [];
    this.made = null;
    this.#show();
    if (!this.drawn) return;
    this.studio.tabs.show("path");
    void this.play();
  }

  async addStop() {
    const sound = await this.studio.sounds.ready();
    if (!sound) return;
    this.drawn = null;
    this.made = null;
    this.stops = [...this.stops, sound].slice(-64);
    this.#show();
    this.studio.status.say(`${counted(this.stops.length, "sound")} on the path`);
  }

  clear() {
    this.drawn = null;
    this.stops = [];
    this.made = null;
    this.studio.audio.silence();
    this.#show();
  }

  /** @param {import("../sound.js").Sound[]} stops */
  through(stops) {
    this.drawn = null;
    this.made = null;
    this.stops = stops;
    this.#show();
    this.studio.tabs.show("path");
    void this.play();
  }

  get ready() {
    return this.drawn !== null || this.stops.length > 1;
  }

  #show() {
    for (const button of this.playing) /** @type {HTMLButtonElement} */ (button).disabled = !this.ready && button.id !== "path-clear";
    this.about.textContent = this.drawn
      ? "A drawn path, played as a morph; draw another one to replace it."
      : this.stops.length ? `${counted(this.stops.length, "sound")}: ${this.stops.map((stop) => stop.name).join(", ")}` : "Draw a line on the map with the pen, or add sounds one by one.";
    this.showLine();
  }

  /** The line on the view that shows. */
  showLine() {
    const view = this.studio.store.get("view");
    const places = this.drawn ? (this.drawn.view === view ? this.drawn.places : []) : this.stops.map((stop) => stop.places[view]).filter(Boolean);
    this.studio.map.update({ path: places, pathShare: null });
  }

  #request() {
    const line = this.drawn ? { view: this.drawn.view, places: this.drawn.places } : { specs: this.stops.map((stop) => stop.spec) };
    return { ...line, steps: this.steps.input.valueAsNumber, even: this.even.checked ? true : null };
  }

  /** @returns {Promise<{buffer: AudioBuffer, bytes: ArrayBuffer} | null>} */
  async #sound() {
    const request = { ...this.#request(), gap: this.gap.input.valueAsNumber, level: this.studio.audio.levelled };
    const key = JSON.stringify(request);
    if (this.made?.key === key) return this.made;
    try {
      this.studio.status.say("Rendering the path…");
      const bytes = await this.studio.api.pathAudio(request);
      this.made = { key, bytes, buffer: await this.studio.audio.decode(bytes.slice(0)) };
      return this.made;
    } catch (error) {
      this.studio.status.fail(error);
      return null;
    }
  }

  async play() {
    if (!this.ready) return;
    const made = await this.#sound();
    if (!made) return;
    this.studio.audio.audition(made.buffer);
    this.studio.store.set("played", { buffer: made.buffer });
    this.studio.status.say(`A path of ${this.steps.input.value} steps, ${plain(made.buffer.duration)} s`);
    this.#follow(made.buffer);
  }

  /** The dot on the line goes with the sound. @param {AudioBuffer} buffer */
  #follow(buffer) {
    const { audio, map } = this.studio;
    const step = () => {
      const position = audio.auditioned?.buffer === buffer ? audio.position : null;
      map.update({ pathShare: position === null ? null : position / buffer.duration });
      if (position !== null) requestAnimationFrame(step);
    };
    step();
  }

  async #wav() {
    const made = await this.#sound();
    if (made) download(new Blob([made.bytes], { type: "audio/wav" }), "path.wav");
  }

  async #zip() {
    try {
      download(await this.studio.api.pathPresets(this.#request()), "path.zip");
    } catch (error) {
      this.studio.status.fail(error);
    }
  }
}
