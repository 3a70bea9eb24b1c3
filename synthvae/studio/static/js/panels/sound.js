/** Sound panel: name, spectrogram and descriptors of the current sound, and its actions. */
import { download, el, fill, icon, sharpContext } from "../dom.js";
import { noteName, plain, slug, withUnit } from "../format.js";
import { onPalette, palette } from "../palette.js";
import { toFragment } from "../share.js";
import { makeSound } from "../sound.js";
import { drawSpectrogram, drawWaveform } from "../spectrogram.js";

const COLUMNS = 320;
const ROWS = 128;
/** Descriptors that are shown, in this order; the rest is in the downloads. */
const SHOWN = ["pitch", "brightness", "attack", "decay", "loudness", "noisiness", "vibrato", "tremolo"];
const FORMATS = [
  ["wav", "WAV", "the sound"],
  ["flac", "FLAC", "the sound, losslessly compressed"],
  ["json", "JSON", "the preset"],
  ["sfz", "SFZ", "a multi-sampled instrument"],
  ["torchsynth", "torchsynth", "the preset for torchsynth"],
];

export class SoundPanel {
  /** @param {HTMLElement} root @param {any} studio */
  constructor(root, studio) {
    const { store, sounds, audio } = studio;
    this.studio = studio;
    this.title = el("h2", { class: "sound-name" }, "No sound yet");
    this.origin = el("p", { class: "sound-origin" }, "Click anywhere on the map");
    this.play = el("button", { type: "button", class: "play", "aria-label": "Play (space bar)", title: "Play (space bar)", disabled: true, onclick: () => this.#toggle() }, icon("play"));
    this.spectrogram = /** @type {HTMLCanvasElement} */ (el("canvas", { class: "scope-spectrogram", role: "img", "aria-label": "Spectrogram, low frequencies at the bottom" }));
    this.waveform = /** @type {HTMLCanvasElement} */ (el("canvas", { class: "scope-waveform", role: "img", "aria-label": "Waveform" }));
    this.head = el("div", { class: "scope-head", hidden: true });
    this.measured = el("dl", { class: "measured" });
    this.keepForm = this.#keepForm();
    this.files = el("div", { class: "files", id: "files", hidden: true, role: "group", "aria-label": "Download" }, FORMATS
      .filter(([to]) => store.get("session").can.export.includes(to))
      .map(([to, label, what]) => el("button", { type: "button", class: "button", title: what, onclick: () => this.#export(to) }, icon("down"), label)));
    this.keep = el("button", { type: "button", class: "button main", id: "keep", "aria-expanded": "false", "aria-controls": "keep-form", onclick: () => this.#open("keep") }, icon("keep"), "Save");
    this.down = el("button", { type: "button", class: "button", id: "download", "aria-expanded": "false", "aria-controls": "files", onclick: () => this.#open("files") }, icon("down"), "Download");
    this.share = el("button", { type: "button", class: "button", id: "share", onclick: () => this.#share() }, icon("link"), "Link");
    this.made = this.#made();
    this.star = el("button", { type: "button", class: "button", id: "favourite", "aria-pressed": "false", hidden: true, title: "Favourite (F)", onclick: () => this.mark("favourites") }, icon("keep"), "Favourite");
    this.hide = el("button", { type: "button", class: "button", id: "hide", "aria-pressed": "false", hidden: true, title: "Hide this file from the map (H)", onclick: () => this.mark("hidden") }, icon("bin"), "Hide");
    const scope = el("div", { class: "scope", title: "Drag to a folder or DAW to export as WAV", draggable: true }, this.spectrogram, this.waveform, this.head,
      el("span", { class: "scope-top", "aria-hidden": "true" }, `${plain(store.get("session").settings.sample_rate / 2000)} kHz`),
      el("span", { class: "scope-low", "aria-hidden": "true" }, "40 Hz"));
    fill(root,
      el("div", { class: "sound-head" }, this.play, el("div", { class: "sound-title" }, this.title, this.origin)),
      this.made, scope, this.measured,
      el("div", { class: "actions" }, studio.can.bank && this.keep, studio.can.originals && [this.star, this.hide], this.down, this.share),
      this.keepForm, this.files);
    /** The WAV that a drag out of the page carries. @type {{spec: any, address: string, name: string} | null} */
    this.dragged = null;
    scope.addEventListener("pointerdown", () => void this.#prepareDrag());
    scope.addEventListener("dragstart", (event) => {
      const { dragged } = this;
      if (dragged && dragged.spec === this.sounds.current?.spec) event.dataTransfer?.setData("DownloadURL", `audio/wav:${dragged.name}:${dragged.address}`);
      else event.preventDefault(); // not rendered yet; a second drag works
    });
    store.on("current", (/** @type {any} */ sound) => this.#show(sound));
    store.on("played", (/** @type {any} */ sound) => this.#picture(sound));
    audio.listeners.push((/** @type {boolean} */ playing) => this.#playing(playing));
    onPalette(() => this.#waveform());
    this.sounds = sounds;
    /** @type {AudioBuffer | null} */
    this.drawn = null;
  }

  #toggle() {
    if (this.studio.audio.position !== null) this.studio.audio.silence();
    else this.sounds.replay();
  }

  /** Switch between a point's recording and its reconstruction, for recorded sounds. */
  #made() {
    const button = (/** @type {string} */ kind, /** @type {string} */ text, /** @type {string} */ title) =>
      el("button", { type: "button", role: "radio", id: `made-${kind}`, "data-kind": kind, "aria-checked": "false", title, onclick: () => this.asMade(kind) }, text);
    return el("div", { class: "made", role: "radiogroup", "aria-label": "Recording or model", hidden: true },
      button("point", "Recording", "The recording itself (O switches)"), button("decoded", "Model", "Encoded and decoded by the model (O switches)"));
  }

  /** Plays the current point as its recording or as it is decoded. @param {string} [kind] the other one by default */
  asMade(kind) {
    const { current } = this.sounds;
    const number = this.point;
    if (this.made.hidden || number === undefined) return;
    const wanted = kind ?? (current.spec.point === undefined ? "point" : "decoded");
    this.sounds.hear(makeSound({ [wanted]: number }, { origin: wanted === "point" ? `point ${number}` : `point ${number}, reconstructed by the model`, places: current.places }), { touched: performance.now() });
  }

  /** The point that the current sound is, as its recording or decoded. @returns {number | undefined} */
  get point() {
    return this.sounds.current?.spec.point ?? this.sounds.current?.spec.decoded;
  }

  /** Sets or takes a mark of the current point. @param {"favourites" | "hidden"} kind */
  mark(kind) {
    const { favourites } = this.studio;
    const { point } = this;
    if (point !== undefined) void favourites?.mark([point], kind, !favourites.has(point, kind));
  }

  showMarks() {
    const { favourites } = this.studio;
    const { point } = this;
    for (const [button, kind] of /** @type {[HTMLElement, "favourites" | "hidden"][]} */ ([[this.star, "favourites"], [this.hide, "hidden"]])) {
      button.hidden = point === undefined;
      button.setAttribute("aria-pressed", String(point !== undefined && favourites?.has(point, kind)));
    }
  }

  /** @param {any} sound */
  #show(sound) {
    this.showMarks();
    const kind = sound.spec.point !== undefined ? "point" : sound.spec.decoded !== undefined ? "decoded" : null;
    this.made.hidden = !this.studio.can.originals || kind === null;
    for (const button of /** @type {HTMLElement[]} */ ([...this.made.children])) {
      button.setAttribute("aria-checked", String(button.dataset.kind === kind));
      button.tabIndex = button.dataset.kind === kind ? 0 : -1;
    }
    this.play.removeAttribute("disabled");
    this.title.textContent = sound.name || "…";
    const parts = [sound.origin];
    if (!sound.inside) parts.push("outside the map: nearest sound");
    if (sound.confidence !== null && sound.inside) parts.push(`between dots, confidence ${Math.round(100 * sound.confidence)} %`);
    this.origin.textContent = parts.filter(Boolean).join(" · ");
    if (!sound.descriptors) return;
    const units = new Map(this.studio.store.get("session").descriptors.map((/** @type {any} */ d) => [d.name, d]));
    fill(this.measured, SHOWN.filter((name) => Number.isFinite(sound.descriptors[name])).slice(0, 6).map((name) => {
      const value = sound.descriptors[name];
      const described = /** @type {any} */ (units.get(name));
      const note = sound.descriptors.note;
      const text = name === "pitch" && Number.isFinite(note) ? `${noteName(note)} ${cents(sound.descriptors.cents)}` : withUnit(value, described?.unit ?? "");
      return el("div", { title: described?.meaning ?? "" }, el("dt", {}, name), el("dd", {}, text));
    }));
  }

  /** Draws the spectrogram after playback has started, so that it adds no latency. @param {any} sound */
  #picture(sound) {
    if (!sound.buffer || sound.buffer === this.drawn) return;
    setTimeout(() => {
      const buffer = this.studio.store.get("played")?.buffer;
      if (!buffer || buffer === this.drawn) return;
      this.drawn = buffer;
      this.spectrogram.parentElement?.classList.add("live");
      drawSpectrogram(this.spectrogram, buffer, COLUMNS, ROWS);
      this.#waveform();
    }, 30);
  }

  #waveform() {
    if (!this.drawn) return;
    const { context, width, height } = sharpContext(this.waveform);
    drawWaveform(context, width, height, this.drawn.getChannelData(0), palette().wave);
  }

  /** @param {boolean} playing */
  #playing(playing) {
    fill(this.play, icon(playing ? "stop" : "play"));
    this.head.hidden = !playing;
    if (playing && !this.moving) this.#move();
  }

  #move() {
    const { audio } = this.studio;
    const position = audio.position;
    this.moving = position !== null;
    if (position === null) return;
    const share = position / (audio.auditioned?.buffer.duration ?? 1);
    // Not while samples are on their way: drawing would delay them.
    if (!this.sounds.inFlight) this.head.style.setProperty("left", `${Math.min(100, 100 * share)}%`);
    requestAnimationFrame(() => this.#move());
  }

  /** @param {"keep" | "files"} which */
  async #open(which) {
    const forms = /** @type {[string, HTMLElement, HTMLElement][]} */ ([["keep", this.keepForm, this.keep], ["files", this.files, this.down]]);
    for (const [name, form, button] of forms) {
      form.hidden = name === which ? !form.hidden : true;
      button.setAttribute("aria-expanded", String(!form.hidden));
    }
    if (which !== "keep" || this.keepForm.hidden) return;
    const name = /** @type {HTMLInputElement} */ (this.keepForm.querySelector("[name=name]"));
    const sound = await this.sounds.ready();
    if (sound) name.value = sound.name;
    name.focus();
    name.select();
  }

  #keepForm() {
    const tags = el("datalist", { id: "tags-known" });
    this.tags = tags;
    return el("form", { class: "keep-form", id: "keep-form", hidden: true, onsubmit: (/** @type {SubmitEvent} */ event) => this.#kept(event) },
      el("label", {}, el("span", {}, "Name"), el("input", { type: "text", name: "name", maxlength: 200, autocomplete: "off" })),
      el("label", {}, el("span", {}, "Tags"), el("input", { type: "text", name: "tags", placeholder: "warm, pad", autocomplete: "off", list: "tags-known" })),
      tags,
      el("button", { type: "submit", class: "button main" }, "Save to the bank"));
  }

  /** @param {string[]} names */
  knownTags(names) {
    if (this.tags) fill(this.tags, names.map((value) => el("option", { value })));
  }

  /** @param {SubmitEvent} event */
  async #kept(event) {
    event.preventDefault();
    const fields = new FormData(/** @type {HTMLFormElement} */ (event.target));
    const sound = this.sounds.current;
    if (!sound) return;
    const tags = String(fields.get("tags")).split(/[\s,]+/).map((tag) => tag.replace(/^#/, "")).filter(Boolean);
    try {
      const entry = await this.studio.api.keep(sound.spec, String(fields.get("name")).trim(), tags);
      this.keepForm.hidden = true;
      this.keep.setAttribute("aria-expanded", "false");
      this.keep.focus();
      if (entry.new) sound.name = entry.name;
      this.studio.store.set("current", sound);
      this.studio.status.say(entry.new ? `Saved ${entry.name}` : `Already in the bank as ${entry.name}`);
      await this.studio.refreshBank();
    } catch (error) {
      this.studio.status.fail(error);
    }
  }

  /** @param {string} to */
  async #export(to) {
    const sound = await this.sounds.ready();
    if (!sound) return;
    try {
      this.studio.status.say(`Making the ${to} file…`);
      const file = await this.studio.api.export(sound.spec, to, sound.name);
      download(file.blob, file.name ?? `${slug(sound.name)}.${to}`);
      this.studio.status.say(`Downloaded ${file.name ?? sound.name}`);
    } catch (error) {
      this.studio.status.fail(error);
    }
  }

  /** Renders the WAV on pointer down, since a drag cannot wait for it. */
  async #prepareDrag() {
    const sound = this.sounds.current;
    if (!sound || this.dragged?.spec === sound.spec) return;
    try {
      const { spec } = sound;
      const file = await this.studio.api.export(spec, "wav", sound.name);
      if (this.dragged) URL.revokeObjectURL(this.dragged.address);
      this.dragged = { spec, address: URL.createObjectURL(file.blob), name: file.name ?? `${slug(sound.name)}.wav` };
    } catch (error) {
      this.studio.status.fail(error);
    }
  }

  async #share() {
    const sound = await this.sounds.ready();
    const fragment = sound && toFragment(sound, this.studio.store.get("session"), this.studio.store.get("view"));
    if (!fragment) return;
    const address = `${location.origin}${location.pathname}${fragment}`;
    history.replaceState(null, "", fragment);
    try {
      await navigator.clipboard.writeText(address);
      this.studio.status.say("Link copied to the clipboard");
    } catch {
      this.studio.status.say("The address of this page is now a link to this sound");
    }
  }
}

/** @param {number | null} value */
function cents(value) {
  return Number.isFinite(value) && Math.abs(Number(value)) >= 1 ? `${Number(value) > 0 ? "+" : "−"}${Math.abs(Math.round(Number(value)))}¢` : "";
}
