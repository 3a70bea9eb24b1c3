/** Match panel: searches presets that sound like a recording, with progress. */
import { download, el, fill, icon } from "../dom.js";
import { counted, plain } from "../format.js";
import { canRecord, Recorder } from "../recorder.js";
import { makeSound } from "../sound.js";
import { drawSpectrogram } from "../spectrogram.js";

export class MatchPanel {
  /** @param {HTMLElement} root @param {any} studio */
  constructor(root, studio) {
    this.studio = studio;
    this.seconds = /** @type {HTMLSelectElement} */ (el("select", { "aria-label": "Search time" }, [5, 20, 60, 180].map((value) => el("option", { value, selected: value === 20 }, `${value} s`))));
    const file = /** @type {HTMLInputElement} */ (el("input", { type: "file", accept: "audio/*,.wav,.flac", class: "hidden", "aria-label": "A recording to match", id: "match-file", tabindex: -1, onchange: () => { if (file.files?.[0]) studio.query(file.files[0]); file.value = ""; } }));
    const folder = /** @type {HTMLInputElement} */ (el("input", { type: "file", webkitdirectory: true, multiple: true, class: "hidden", "aria-label": "A folder of recordings", id: "match-folder", tabindex: -1, onchange: () => { void studio.importFiles([...(folder.files ?? [])].map((one) => ({ file: one, label: one.webkitRelativePath.split("/").slice(-2, -1)[0] ?? "" }))); folder.value = ""; } }));
    this.list = el("div", { class: "jobs" });
    this.all = el("div", { class: "bar" });
    this.imports = el("div", { class: "imports" });
    const presets = studio.can.parameters;
    fill(root,
      el("div", { class: "bar" },
        el("button", { type: "button", class: "button main", onclick: () => file.click() }, presets ? "Match a recording…" : "Find sounds like a recording…"),
        el("button", { type: "button", class: "button", onclick: () => folder.click() }, "Map a folder…"), presets && this.seconds, this.#record(), file, folder),
      el("p", { class: "note" }, `Or drop a WAV on the page to find the ${presets ? "preset that sounds" : "sounds most"} like it, or a folder of WAVs to see them on the map.`),
      this.all, this.list, this.imports);
    /** @type {any[]} */
    this.results = [];
    /** The best match of each recording, by its name. @type {Map<string, any>} */
    this.best = new Map();
  }

  /** Records from the microphone; what is recorded is searched for like a file. */
  #record() {
    if (!canRecord()) return null;
    const recorder = new Recorder();
    const button = el("button", { type: "button", class: "button", id: "record", "aria-pressed": "false", onclick: async () => {
      if (recorder.running) {
        recorder.stop();
        return;
      }
      button.textContent = "Stop recording";
      button.setAttribute("aria-pressed", "true");
      this.studio.status.say("Recording; press again to stop");
      try {
        this.studio.query(await recorder.record());
      } catch (error) {
        this.studio.status.fail(error);
      } finally {
        button.textContent = "Record…";
        button.setAttribute("aria-pressed", "false");
      }
    } }, "Record…");
    return button;
  }

  /** Buttons that match all imported recordings in turn and download the matches. @param {File[]} files */
  offer(files) {
    if (!this.studio.can.parameters) return;
    fill(this.all,
      el("button", { type: "button", class: "button", id: "match-all", onclick: async () => { for (const file of files) await this.start(file); } }, `Match all ${files.length} in turn`),
      el("button", { type: "button", class: "button", id: "match-library", onclick: () => void this.#library() }, "Matches (zip)"));
  }

  async #library() {
    if (!this.best.size) {
      this.studio.status.say("No recording has been matched yet");
      return;
    }
    try {
      download(await this.studio.api.library([...this.best].map(([name, result]) => ({ spec: { values: result.values }, name: `like ${name}` })), "matches"), "matches.zip");
    } catch (error) {
      this.studio.status.fail(error);
    }
  }

  /** @param {File} file */
  async start(file) {
    this.studio.tabs.show("match");
    if (!this.studio.store.get("session").can.match) {
      this.studio.status.fail(new Error("This installation cannot match recordings; reinstall synthvae with the extra studio"));
      return;
    }
    const bar = /** @type {HTMLProgressElement} */ (el("progress", { max: 1, value: 0, "aria-label": `Progress of matching ${file.name}` }));
    const said = el("p", { class: "note", role: "status" }, "Sending…");
    const best = el("div", { class: "results" });
    const stop = el("button", { type: "button", class: "button" }, "Stop");
    const target = /** @type {HTMLCanvasElement} */ (el("canvas", { class: "target", "aria-hidden": "true" }));
    const hear = el("button", { type: "button", class: "button", disabled: true }, icon("play"), "The recording");
    const card = el("article", { class: "job" }, el("h3", {}, file.name), target, bar, said, el("div", { class: "bar" }, hear, stop), best);
    this.list.prepend(card);
    void this.#target(file, target, hear);
    try {
      const { job, notes } = await this.studio.api.match(file, file.name, Number(this.seconds.value));
      stop.addEventListener("click", () => this.studio.api.stopJob(job).catch((/** @type {unknown} */ error) => this.studio.status.fail(error)));
      let shown = "";
      for await (const state of this.studio.api.jobEvents(job)) {
        bar.value = state.progress;
        said.textContent = told(state) + (notes?.length ? ` The recording: ${notes.join("; ")}.` : "");
        const results = state.results.length ? state.results : state.best ? [state.best] : [];
        const key = results.map((/** @type {any} */ one) => one.distance).join();
        if (key !== shown) this.#results(best, results, file.name, state.state);
        shown = key;
        if (["done", "failed", "stopped"].includes(state.state)) {
          stop.remove();
          bar.hidden = true;
          if (state.state === "failed") this.studio.status.fail(new Error(state.error));
          else this.studio.status.say(`Matched ${file.name}: ${counted(state.results.length, "preset")}`);
          if (state.results[0]) this.best.set(file.name, state.results[0]);
          if (state.results[0]) this.studio.sounds.hear(this.#sound(state.results[0], file.name, 0));
        }
      }
    } catch (error) {
      said.textContent = error instanceof Error ? error.message : String(error);
      stop.remove();
      bar.hidden = true;
      this.studio.status.fail(error);
    }
  }

  /** @param {File} file @param {HTMLCanvasElement} canvas @param {HTMLElement} hear */
  async #target(file, canvas, hear) {
    try {
      const buffer = await this.studio.audio.decode(await file.arrayBuffer());
      drawSpectrogram(canvas, buffer, 240, 64);
      hear.removeAttribute("disabled");
      hear.addEventListener("click", () => {
        this.studio.audio.audition(buffer);
        this.studio.status.say(`Playing the recording ${file.name}`);
      });
    } catch {
      hear.remove(); // the browser cannot play it; the server may
    }
  }

  /** @param {any} result @param {string} name @param {number} i */
  #sound(result, name, i) {
    return makeSound({ values: result.values }, { name: result.name, origin: `match ${i + 1} of ${name}, ${plain(result.distance, 2)} dB away`, values: result.values, latent: result.latent, places: result.place });
  }

  /** @param {HTMLElement} root @param {any[]} results @param {string} name @param {string} state */
  #results(root, results, name, state) {
    this.results = results;
    fill(root, results.map((result, i) => el("button", { type: "button", class: "result", onclick: (/** @type {Event} */ event) => this.studio.sounds.hear(this.#sound(result, name, i), { touched: event.timeStamp }) },
      icon("play"), el("span", {}, state === "running" ? "Best so far" : `Match ${i + 1}`), el("small", {}, `${plain(result.distance, 2)} dB`))));
    this.studio.showMarks();
  }

  /** @param {string} view @returns {any[]} */
  marks(view) {
    return this.results.map((result, i) => ({ kind: "match", place: result.place?.[view], text: String(i + 1) })).filter((mark) => mark.place);
  }
}

/** @param {any} state */
function told(state) {
  const tried = state.renders ? `, ${counted(state.renders, "sound")} tried` : "";
  if (state.state === "waiting") return "Queued…";
  if (state.state === "running") return `Searching: ${Math.round(100 * state.progress)} %${tried}.`;
  if (state.state === "failed") return state.error || "The search failed.";
  const sure = state.confidence === null || state.confidence === undefined ? "" : `, confidence ${Math.round(100 * state.confidence)} %`;
  return `${state.state === "stopped" ? "Stopped" : "Done"} after ${plain(state.seconds, 2)} s${tried}${sure}.`;
}
