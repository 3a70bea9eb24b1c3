/** Connects the map, the panels and the keys of the page. */
import { Api, takeToken } from "./api.js";
import { AudioEngine } from "./audio.js";
import { classColour, colouring, css, paint, spreadClasses } from "./colour.js";
import { Compare } from "./compare.js";
import { byId, el, fill, settled } from "./dom.js";
import { acceptDrops } from "./drop.js";
import { counted, plain, withUnit } from "./format.js";
import { Keyboard } from "./keyboard.js";
import { Views } from "./map/data.js";
import { showLegend } from "./map/legend.js";
import { SoundMap } from "./map/map.js";
import { connectMidi } from "./midi.js";
import { onPalette } from "./palette.js";
import { BankPanel } from "./panels/bank.js";
import { BlendPanel } from "./panels/blend.js";
import { FavouritesPanel } from "./panels/favourites.js";
import { GridPanel } from "./panels/grid.js";
import { MatchPanel } from "./panels/match.js";
import { PathPanel } from "./panels/path.js";
import { PresetPanel } from "./panels/preset.js";
import { SimilarPanel } from "./panels/similar.js";
import { SoundPanel } from "./panels/sound.js";
import { Tabs } from "./panels/tabs.js";
import { VaryPanel } from "./panels/vary.js";
import { Search } from "./search.js";
import { fromFragment, toFragment } from "./share.js";
import { helpPanel, listenForKeys } from "./shortcuts.js";
import { makeSound, Sounds } from "./sound.js";
import { History, Store } from "./state.js";
import { Status } from "./status.js";
import { followTheme } from "./theme.js";

/** The initial view, and the one shown until it is computed. */
const FIRST = "sound";
const MEANWHILE = "sound-pca";
const LINEAR = "-pca";
const HINT = "synthvae.hint";
/** Maximum number of sounds of a selection that are played in sequence or blended. */
const LISTENED = 16;
/** Maximum number of played dots that are marked with a ring. */
const REMEMBERED = 40;

class Studio {
  // made by #panels, once the server has described the session
  /** @type {Tabs} */ tabs;
  /** @type {SoundPanel} */ soundPanel;
  /** @type {PresetPanel | undefined} */ preset;
  /** @type {SimilarPanel} */ similar;
  /** @type {VaryPanel} */ vary;
  /** @type {BlendPanel} */ blend;
  /** @type {PathPanel} */ path;
  /** @type {GridPanel} */ grid;
  /** @type {MatchPanel} */ match;
  /** @type {BankPanel | undefined} */ bank;
  /** @type {FavouritesPanel | undefined} */ favourites;
  /** @type {Compare} */ compare;
  /** @type {Keyboard} */ keyboard;
  /** @type {Search} */ search;

  constructor() {
    this.status = new Status();
    this.api = new Api(takeToken());
    this.audio = new AudioEngine();
    this.store = new Store({ session: null, view: "", current: null, played: null, described: null, selection: null });
    this.history = new History();
    this.sounds = new Sounds(this.api, this.audio, this.store, this.history, this.status);
    this.views = new Views(this.api);
    /** Whether the user has chosen a view; then the page does not switch views by itself. */
    this.chosen = false;
    /** Number of the newest view request; answers to older ones are dropped. */
    this.showSerial = 0;
    /** Number of the newest colour request; answers to older ones are dropped. */
    this.colourSerial = 0;
    /** @type {{values: Float32Array, column: any} | null} */
    this.coloured = null;
    /** @type {any[]} */
    this.imported = [];
    /** Points that are not playable. @type {number[]} */
    this.leftOut = [];
    /** The sound that the local plane is around. @type {{sound: any, values: Record<string, number>} | null} */
    this.around = null;
    const plainCanvas = new URLSearchParams(location.search).has("canvas");
    this.map = new SoundMap(byId("map"), byId("map-points"), byId("map-overlay"), plainCanvas);
    this.api.recovered = () => this.status.clear();
    /** Points that were played, the newest last. @type {Set<number>} */
    this.playedPoints = new Set();
    followTheme(byId("theme"), (said) => this.status.say(said));
    onPalette(() => {
      this.#legend();
      if (this.compare) this.showMarks();
    });
    this.closeHelp = helpPanel(byId("help-panel"), byId("help"));
  }

  /** Features of this session. @returns {Record<string, boolean>} */
  get can() {
    return this.store.get("session").can;
  }

  async open() {
    const session = await this.api.session();
    this.store.set("session", session);
    this.#onlyWhatThereIs();
    byId("run-name").textContent = session.run.name;
    this.#panels();
    this.#frame();
    this.#listen();
    listenForKeys(this);
    this.#hint();
    if (this.bank) void this.refreshBank().catch((error) => this.status.fail(error));
    void this.favourites?.refresh().catch((error) => this.status.fail(error));
    void this.api.imports().then((all) => this.#imports(all)).catch(() => {}); // an older server has none
    await this.#firstView();
    if (this.can.playable) void this.#playable().catch((error) => this.status.fail(error));
    await this.#opened();
    this.status.say(`${counted(session.count, "sound")} on the map`);
    document.documentElement.dataset.ready = "true";
  }

  /** For a run on recorded sounds: hides controls that do not apply, and always decodes between points. */
  #onlyWhatThereIs() {
    for (const [id, tool] of [["closer", "plane"], ["playable-label", "playable"]]) byId(id).hidden = !this.can[tool];
    document.body.classList.toggle("no-keys", !this.can.keys);
    if (!this.can.playable) byId("playable").checked = false;
    if (!this.can.originals) return;
    for (const name of ["aria-label", "title"]) byId("bank-fold").setAttribute(name, "Show or hide favourites and hidden files");
    byId("between").checked = true;
    byId("between-label").hidden = true;
    byId("hint").firstElementChild.textContent = "Click a dot to play its recording, or anywhere between to play a decoded sound. Drag to play along a path.";
  }

  // -- putting it together -----------------------------------------------------------------------------

  #panels() {
    this.tabs = new Tabs(byId("tabs"), byId("panels"));
    this.soundPanel = new SoundPanel(byId("sound"), this);
    if (this.can.parameters) this.preset = new PresetPanel(this.tabs.add("preset", "Preset"), this);
    this.similar = new SimilarPanel(this.tabs.add("similar", "Similar"), this);
    this.vary = new VaryPanel(this.tabs.add("vary", "Vary"), this);
    this.blend = new BlendPanel(this.tabs.add("blend", "Blend"), this);
    this.path = new PathPanel(this.tabs.add("path", "Path"), this);
    this.grid = new GridPanel(this.tabs.add("grid", "Grid"), this);
    this.match = new MatchPanel(this.tabs.add("match", this.can.parameters ? "Match" : "Query"), this);
    if (this.can.bank) this.bank = new BankPanel(byId("bank"), this);
    if (this.can.originals) this.favourites = new FavouritesPanel(byId("bank"), this);
    this.compare = new Compare(byId("slot-a"), byId("slot-b"), this);
    this.keyboard = new Keyboard(byId("keyboard"), this);
    this.search = new Search(this);
    connectMidi(byId("midi"), this.keyboard, this.status);
    acceptDrops(byId("drop"), (file) => this.query(file), (files) => void this.importFiles(files), (error) => this.status.fail(error));
  }

  /** Connects the controls around the map: side panels, undo, volume, zoom, tools, views and colour. */
  #frame() {
    const session = this.store.get("session");
    const narrow = window.matchMedia("(max-width: 820px), (max-height: 500px) and (orientation: landscape)").matches;
    for (const [id, name] of [["bank-fold", "no-bank"], ["dock-fold", "no-dock"]]) {
      const button = byId(id);
      const fold = (/** @type {boolean} */ away) => {
        document.body.classList.toggle(name, away);
        button.setAttribute("aria-expanded", String(!away));
      };
      button.addEventListener("click", () => fold(!document.body.classList.contains(name)));
      if (narrow && id === "bank-fold") fold(true);
    }
    for (const id of /** @type {const} */ (["undo", "redo"])) byId(id).addEventListener("click", () => this.sounds[id]());
    this.history.listeners.push(() => {
      byId("undo").disabled = !this.history.canUndo;
      byId("redo").disabled = !this.history.canRedo;
    });
    const volume = byId("volume");
    const setVolume = () => {
      this.audio.setVolume(volume.valueAsNumber);
      volume.style.setProperty("--fill", `${100 * volume.valueAsNumber}%`);
    };
    volume.addEventListener("input", setVolume);
    setVolume();
    byId("level").addEventListener("change", () => {
      this.audio.levelled = byId("level").checked;
      this.status.say(this.audio.levelled ? "All sounds at the same loudness" : "Sounds at the synthesizer's own level");
    });
    byId("playable").addEventListener("change", () => this.#hide());
    byId("zoom-in").addEventListener("click", () => this.map.zoom(1.5));
    byId("zoom-out").addEventListener("click", () => this.map.zoom(1 / 1.5));
    byId("zoom-fit").addEventListener("click", () => this.map.fit());
    byId("random").addEventListener("click", () => this.somewhere());
    choices(byId("tools"), (button) => this.useTool(button.dataset.tool ?? "play"));
    fill(byId("views"), session.layouts.map((/** @type {any} */ layout) =>
      el("button", { type: "button", role: "radio", "data-view": layout.name, "aria-checked": "false", title: layout.meaning }, layout.label)));
    choices(byId("views"), (button) => void this.show(`${button.dataset.view}${byId("linear").checked ? LINEAR : ""}`, true));
    byId("linear").addEventListener("change", () => void this.show(`${layoutOf(this.store.get("view"))}${byId("linear").checked ? LINEAR : ""}`, true));
    byId("closer").addEventListener("click", () => void this.closer(!this.map.scene.plane));
    const colour = byId("colour");
    const kinds = /** @type {[string, string][]} */ ([["cluster", "Groups"], ["label", "Groups"], ["descriptor", "Measured"], ["parameter", "Parameters"]]);
    for (const title of new Set(kinds.map(([, name]) => name))) {
      const of = session.columns.filter((/** @type {any} */ column) => kinds.some(([kind, name]) => name === title && kind === column.kind));
      if (of.length) colour.append(el("optgroup", { label: title }, of.map((/** @type {any} */ column) => el("option", { value: column.name }, column.label))));
    }
    colour.addEventListener("change", () => void this.colourBy(colour.value));
  }

  #listen() {
    const { map, store } = this;
    map.addEventListener("touch", (event) => this.#touched(/** @type {CustomEvent} */ (event).detail));
    map.addEventListener("select", (event) => {
      if (!this.select(/** @type {CustomEvent} */ (event).detail, "selected")?.length) this.status.say("No sounds in this area");
    });
    map.addEventListener("path", (event) => this.path.draw(store.get("view"), /** @type {CustomEvent} */ (event).detail));
    map.addEventListener("hover", (event) => this.#readout(/** @type {CustomEvent} */ (event).detail));
    store.on("current", (sound) => this.#place(sound, false));
    store.on("played", (sound) => {
      if (sound === store.get("current")) this.#place(sound, true);
      if (sound.spec?.point === undefined) return;
      this.playedPoints.delete(sound.spec.point);
      this.playedPoints.add(sound.spec.point);
      if (this.playedPoints.size > REMEMBERED) this.playedPoints.delete(/** @type {number} */ (this.playedPoints.values().next().value));
      this.showMarks();
    });
    map.addEventListener("plane", (event) => this.#onPlane(/** @type {CustomEvent} */ (event).detail));
    map.addEventListener("closer", (event) => void this.closer(/** @type {CustomEvent} */ (event).detail));
    const link = settled((/** @type {any} */ sound) => {
      const fragment = toFragment(sound, store.get("session"), store.get("view"));
      if (fragment) history.replaceState(null, "", fragment);
    }, 400);
    store.on("described", (sound) => {
      this.status.say([sound.name, sound.origin, sound.inside ? "" : "outside the map: nearest sound"].filter(Boolean).join(", "));
      link(sound);
    });
    window.addEventListener("hashchange", () => void this.#opened());
  }

  /** Shows the best view that is ready, then better ones once computed, unless the user has chosen a view. */
  async #firstView() {
    const { building, views } = this.store.get("session");
    const asked = new URLSearchParams(location.hash.slice(1)).get("view");
    const wanted = [asked && views.includes(asked) ? asked : FIRST, MEANWHILE, views[views.length - 1]];
    const first = Math.max(0, wanted.findIndex((name) => building[name] === undefined));
    await this.show(wanted[first], false);
    const better = async () => {
      for (const name of wanted.slice(0, first).reverse()) {
        await this.views.get(name, (progress, stage) => !this.chosen && this.#making(`${this.#label(name)}: ${stage}`, progress));
        this.#making("", 1);
        if (!this.chosen) await this.show(name, false);
      }
    };
    void better().catch((error) => {
      this.#making("", 1);
      this.status.fail(error);
    });
  }

  /** @param {string} view */
  #label(view) {
    const layout = this.store.get("session").layouts.find((/** @type {any} */ one) => one.name === layoutOf(view));
    return `${layout?.label ?? view}${view.endsWith(LINEAR) ? " (PCA)" : ""}`;
  }

  /** The sound of a link. */
  async #opened() {
    const session = this.store.get("session");
    const found = fromFragment(location.hash, session);
    if (!found || (this.sounds.current && location.hash === toFragment(this.sounds.current, session, this.store.get("view")))) return;
    if (found.view && found.view !== this.store.get("view") && session.views.includes(found.view)) await this.show(found.view, true);
    const origin = found.foreign ? "from a link of another run" : "from a link";
    if (found.foreign) this.status.say("This link was made with another run; its parameters are played");
    // Browsers block playback before a user gesture: the sound is loaded, and Play starts it.
    this.sounds.hear(makeSound(found.spec, { origin, values: found.spec.values ?? null }), { quiet: this.audio.context === null });
  }

  #hint() {
    let seen = null;
    try {
      seen = localStorage.getItem(HINT);
    } catch {
      // no storage: the hint is shown again next time
    }
    byId("hint").hidden = seen !== null;
    byId("hint-close").addEventListener("click", () => this.#hintSeen());
  }

  #hintSeen() {
    if (byId("hint").hidden) return;
    byId("hint").hidden = true;
    try {
      localStorage.setItem(HINT, "seen");
    } catch {
      // as above
    }
  }

  // -- the map -----------------------------------------------------------------------------------------

  /** @param {string} name of a view @param {boolean} chosen by a person */
  async show(name, chosen) {
    this.chosen ||= chosen;
    const serial = ++this.showSerial;
    this.#marked(name);
    try {
      const view = await this.views.get(name, (progress, stage) => serial === this.showSerial && this.#making(`${this.#label(name)}: ${stage}`, progress));
      if (serial !== this.showSerial) return;
      this.#making("", 1);
      this.#leavePlane();
      this.store.set("view", name);
      this.map.show(view);
      if (this.favourites) this.map.hide(this.leftOut);
      const { snapped, between } = view.distances;
      byId("between-label").title = `Also play positions between dots. Median error at a left-out dot: ${plain(between, 2)} dB decoded from its position, ${plain(snapped, 2)} dB by the nearest other dot.`;
      this.#clustersLater(name);
      if (this.coloured) this.#legend();
      else void this.colourBy(byId("colour").value, false);
      this.path.showLine();
      this.showMarks();
      if (this.sounds.current) await this.#replace(this.sounds.current);
      if (chosen) this.status.say(`Layout: ${this.#label(name)}`);
    } catch (error) {
      this.#making("", 1);
      this.status.fail(error);
      this.#marked(this.store.get("view"));
    }
  }

  /** Marks a view's button as selected. @param {string} name */
  #marked(name) {
    for (const button of byId("views").children) button.setAttribute("aria-checked", String(button.dataset.view === layoutOf(name)));
    byId("linear").checked = name.endsWith(LINEAR);
    rove(byId("views"));
  }

  /** Polls which sounds are not playable until all are measured. */
  async #playable() {
    for (;;) {
      const { left_out, reasons, complete } = await this.api.playable();
      this.leftOut = left_out;
      const counts = Object.entries(reasons).map(([reason, count]) => `${counted(count, "sound")} ${reason}`).join("; ");
      byId("playable-label").title = `Show playable sounds only. Left out: ${counts || "none"}${complete ? "" : ", so far"}.`;
      this.#hide();
      if (complete) return;
      await new Promise((done) => setTimeout(done, 3000));
    }
  }

  get playableOnly() {
    return byId("playable").checked;
  }

  /** Leaves the hidden files of recorded sounds out. */
  hideMarked() {
    this.leftOut = this.favourites?.hidden.map(({ point }) => point) ?? [];
    if (!this.map.view) return;
    this.map.hide(this.leftOut);
    this.showMarks();
    this.soundPanel.showMarks();
  }

  #hide() {
    this.map.hide(this.playableOnly ? this.leftOut : []);
    const shown = this.map.count - (this.playableOnly ? this.leftOut.length : 0);
    this.status.say(`${counted(shown, "sound")} on the map`);
  }

  // -- the local plane ---------------------------------------------------------------------------------

  /** Opens or closes the local plane around the current sound. @param {boolean} open */
  async closer(open) {
    if (!open) {
      this.#leavePlane();
      return;
    }
    if (!this.can.plane) return;
    const sound = await this.sounds.ready();
    if (!sound || this.map.scene.plane) return;
    try {
      this.status.say("Computing the local plane…");
      const plane = await this.api.plane(sound.spec);
      this.around = { sound, values: plane.values };
      this.map.showPlane({ edges: plane.edges, at: [0, 0] });
      byId("closer").setAttribute("aria-pressed", "true");
      this.status.say(`Around ${sound.name}: drag to change it; zoom out to return to the map`);
    } catch (error) {
      this.status.fail(error);
    }
  }

  #leavePlane() {
    if (!this.map.scene.plane) return;
    this.map.showPlane(null);
    byId("closer").setAttribute("aria-pressed", "false");
  }

  /** @param {{at: number[], phase: string, touched: number}} touch */
  #onPlane({ at, phase, touched }) {
    if (!this.around) return;
    if (phase === "up") {
      this.sounds.record();
      return;
    }
    const spec = { near: { values: this.around.values, x: at[0], y: at[1] } };
    this.sounds.hear(makeSound(spec, { origin: `near ${this.around.sound.name}`, places: this.around.sound.places }), { record: false, touched });
  }

  /** Describes a sound again if it has no position on a view that became ready later. @param {any} sound */
  async #replace(sound) {
    if (!sound.places[this.store.get("view")] && sound.described) {
      sound.described = false;
      await this.sounds.describe(sound);
    }
    this.#place(sound, false);
  }

  /** Names of clusters are measured after the points are there. @param {string} name @param {number} [tries] */
  #clustersLater(name, tries = 0) {
    setTimeout(async () => {
      if (this.store.get("view") !== name || tries > 600) return; // measuring has failed
      const view = await this.views.get(name);
      const before = JSON.stringify(view.clusters);
      if (view.clustersNamed) return;
      await this.views.clusters(name).catch(() => {});
      if (JSON.stringify(view.clusters) !== before && this.store.get("view") === name) {
        this.map.update({ clusters: view.clusters });
        this.#legend();
      }
      this.#clustersLater(name, tries + 1);
    }, 2000);
  }

  /** @param {string} name of a column @param {boolean} [said] */
  async colourBy(name, said = true) {
    const serial = ++this.colourSerial;
    const session = this.store.get("session");
    const column = session.columns.find((/** @type {any} */ one) => one.name === name);
    try {
      const label = column.label;
      const values = this.coloured && this.coloured.column === column ? this.coloured.values : await this.api.column(name,
        (progress, stage) => {
          if (serial !== this.colourSerial) return;
          this.#making(`colour by ${label}: ${stage}`, progress);
          void this.#meanwhile(serial);
        }, () => serial === this.colourSerial);
      if (serial !== this.colourSerial || !values) return;
      this.#making("", 1);
      this.coloured = { values, column };
      this.#legend();
      if (said) this.status.say(`Coloured by ${label}`);
    } catch (error) {
      this.#making("", 1);
      this.status.fail(error);
    }
  }

  /** Colours by a parameter while clusters or descriptors are first computed. @param {number} serial */
  async #meanwhile(serial) {
    if (this.coloured) return;
    const column = this.store.get("session").columns.find((/** @type {any} */ one) => one.kind === "parameter");
    const values = column && (await this.api.column(column.name));
    if (!values || this.coloured || serial !== this.colourSerial) return;
    this.coloured = { values, column };
    this.#legend();
  }

  #legend() {
    const view = this.map.view;
    if (!this.coloured || !view) return;
    const { values, column } = this.coloured;
    const parameter = this.store.get("session").parameters.find((/** @type {any} */ one) => one.name === column.name);
    const how = colouring(values, column, parameter);
    const classes = column.kind === "cluster" ? spreadClasses(view.clusters) : new Map();
    this.map.colour(paint(values, how, classes));
    const labels = [...new Set(this.imported.map((one) => one.label))].map((name, i) => ({ name, count: this.imported.filter((one) => one.label === name).length, colour: classColour(i) }));
    showLegend(byId("legend"), { column, values, how, classes, view, labels, choose: (ids, chosen) => this.select(ids.length ? ids : null, chosen) });
  }

  /** @param {string} text of the progress bar; hidden if empty @param {number} progress */
  #making(text, progress) {
    byId("making").hidden = !text;
    byId("making-text").textContent = text;
    byId("making-bar").value = progress;
  }

  /** Shows the current sound's position, and the requested one if that is off the map. @param {any} sound @param {boolean} played */
  #place(sound, played) {
    const view = this.store.get("view");
    const place = sound.places[view] ?? (sound.spec.place?.view === view ? [sound.spec.place.x, sound.spec.place.y] : null);
    this.map.point(place, sound.movedFrom?.view === view ? sound.movedFrom.place : null, played);
  }

  showMarks() {
    const view = this.store.get("view");
    const labels = [...new Set(this.imported.map((one) => one.label))];
    const imports = this.imported.map((one) => ({ kind: "import", place: one.place[view], colour: css(classColour(labels.indexOf(one.label))) })).filter((mark) => mark.place);
    const marks = [this.bank, this.favourites, this.blend, this.match, this.compare, this.vary].flatMap((panel) => panel?.marks(view) ?? []);
    const positions = this.map.view?.positions;
    const played = positions ? [...this.playedPoints].map((point) => ({ kind: "played", place: [positions[2 * point], positions[2 * point + 1]] })) : [];
    this.map.update({ marks: [...played, ...imports, ...marks] });
  }

  /** @param {{point: number | null, place: number[] | null}} under */
  #readout({ point, place }) {
    const parts = [];
    if (point !== null) {
      parts.push(`point ${point}`);
      if (this.coloured && this.coloured.values.length > point) {
        const { values, column } = this.coloured;
        const group = () => this.map.view?.clusters.find((one) => one.id === values[point])?.name ?? "in no cluster";
        const cluster = column.kind === "label" ? column.names[values[point]] : column.kind === "cluster" ? group() : null;
        parts.push(cluster ?? `${column.label} ${withUnit(values[point], column.unit)}`);
      }
    } else if (place) parts.push(`${plain(place[0])}, ${plain(place[1])}`);
    byId("readout").textContent = parts.filter(Boolean).join(" · "); // a region may have no name
  }

  /** @param {import("./map/map.js").Touch} touch */
  #touched({ place, point, phase, touched, plus, minus }) {
    const view = this.store.get("view");
    if (phase === "up") {
      this.sounds.record();
      return;
    }
    const near = phase === "down" ? this.#import(place) : null;
    const between = byId("between").checked;
    const spec = { place: { view, x: place[0], y: place[1], between, playable: this.playableOnly } };
    let sound = makeSound(spec, { origin: between ? `position ${plain(place[0])}, ${plain(place[1])}` : "", drag: phase === "move" });
    if (near && this.can.originals) sound = makeSound({ imported: near.id }, { name: near.name, origin: "your recording", places: near.place });
    else if (near) sound = makeSound(near.latent ? { latent: near.latent } : { point: near.nearest[0] }, { origin: `${near.latent ? "estimate for" : `nearest to (${plain(near.distance, 2)} dB)`} your recording ${near.name}`, places: near.place });
    else if (point !== null) sound = this.#dot(point);
    const before = this.sounds.current;
    this.sounds.hear(sound, { record: false, touched });
    this.audio.open(); // after the request left: the first time this takes longer than its answer
    this.#hintSeen();
    if (phase === "down" && (plus || minus)) void this.blend.add(sound, plus ? 1 : -1, before);
  }

  /** The imported recording at a position, if any. @param {number[]} place */
  #import(place) {
    const view = this.store.get("view");
    const reach = 8 / this.map.camera.scale;
    return this.imported.find((one) => one.place[view] && Math.hypot(one.place[view][0] - place[0], one.place[view][1] - place[1]) < reach) ?? null;
  }

  /** The sound of a dot. @param {number} point */
  #dot(point) {
    const positions = this.map.view?.positions ?? [];
    return makeSound({ point }, { origin: `point ${point}`, places: { [this.store.get("view")]: [positions[2 * point], positions[2 * point + 1]] } });
  }

  /** Plays a random sound of the map. */
  somewhere() {
    if (!this.map.count) return;
    this.#leavePlane();
    let point = 0;
    do point = Math.floor(Math.random() * this.map.count);
    while (this.map.hidden[point] && this.leftOut.length < this.map.count);
    this.sounds.hear(this.#dot(point), { touched: performance.now() });
    this.audio.open();
    this.#hintSeen();
  }

  // -- selections --------------------------------------------------------------------------------------

  /** Selects those of the points that the map shows, and returns them.
   * @param {Uint32Array | null} points @param {string} name of what was selected */
  select(points, name) {
    const ids = points?.filter((id) => !this.map.hidden[id]) ?? null;
    this.store.set("selection", ids);
    this.map.highlight(ids && ids.length ? ids : null);
    const bar = byId("selection");
    bar.hidden = !ids?.length;
    if (!ids?.length) return ids;
    const few = () => {
      const step = Math.max(1, Math.floor(ids.length / LISTENED));
      return [...ids].filter((_, i) => i % step === 0).slice(0, LISTENED).map((point) => makeSound({ point }, { origin: `point ${point}` }));
    };
    const all = async () => (await Promise.all(few().map((sound) => this.sounds.describe(sound)))).filter((sound) => sound.described);
    fill(bar,
      el("strong", {}, counted(ids.length, "sound"), name && name !== "selected" ? ` · ${name}` : ""),
      el("button", { type: "button", class: "button", id: "selection-path", onclick: async () => this.path.through(await all()) }, "Play through"),
      el("button", { type: "button", class: "button", id: "selection-blend", onclick: async () => {
        this.blend.clear();
        const sounds = await all();
        for (const sound of sounds) await this.blend.add(sound, 1 / sounds.length); // their middle
        this.tabs.show("blend");
        await this.blend.blend();
      } }, "Blend"),
      el("button", { type: "button", class: "icon-button", "aria-label": "Clear the selection", title: "Clear the selection (Esc)", onclick: () => this.escape() }, closeIcon()));
    void this.similar.among(ids, name === "selected" ? "the selection" : name);
    this.status.say(`${counted(ids.length, "sound")} ${name === "selected" ? "selected" : `for ${name}`}`);
    return ids;
  }

  escape() {
    this.closeHelp();
    this.#leavePlane();
    this.status.clear();
    this.select(null, "");
    for (const pressed of byId("legend").querySelectorAll("[aria-pressed=true]")) pressed.setAttribute("aria-pressed", "false");
  }

  /** @param {string} tool */
  useTool(tool) {
    this.map.use(tool);
    for (const button of byId("tools").children) button.setAttribute("aria-checked", String(button.dataset.tool === tool));
    rove(byId("tools"));
    const said = /** @type {Record<string, string>} */ ({ play: "Click anywhere to play a sound", pen: "Draw a line on the map to play it as a morph", box: "Drag a box around sounds", lasso: "Draw around sounds" });
    this.status.say(said[tool]);
  }

  toggle() {
    if (this.audio.position !== null) this.audio.silence();
    else this.sounds.replay();
  }

  // -- bank and imports --------------------------------------------------------------------------------

  async refreshBank() {
    if (this.bank) this.soundPanel.knownTags(await this.bank.refresh());
  }

  /** @param {any[]} imported */
  #imports(imported) {
    this.imported = imported;
    if (!imported.length) return;
    this.#legend();
    this.showMarks();
  }

  /** One recording: the preset that sounds like it, or its place among recorded sounds. @param {File} file */
  query(file) {
    void (this.can.parameters ? this.match.start(file) : this.importFiles([{ file, label: "" }]));
  }

  /** @param {{file: File, label: string}[]} files */
  async importFiles(files) {
    this.tabs.show("match");
    const sounds = files.filter(({ file }) => /\.(wav|wave|flac|aif|aiff|ogg|mp3)$/i.test(file.name));
    let done = 0;
    const refused = [];
    for (const { file, label } of sounds) {
      this.#making(`${file.name}`, done / sounds.length);
      try {
        const one = await this.api.import(file, file.name, label);
        this.imported.push(one);
        if (this.can.originals && sounds.length === 1) void this.similar.likeRecording(one);
        this.showMarks();
      } catch (error) {
        if (/** @type {any} */ (error).status === 409) {
          this.#making("", 1);
          this.status.fail(error);
          return;
        }
        refused.push(`${file.name}: ${/** @type {Error} */ (error).message}`);
      }
      done++;
    }
    this.#making("", 1);
    this.#legend();
    this.showMarks();
    this.match.offer(sounds.map(({ file }) => file));
    if (refused.length) this.status.fail(new Error(`${counted(refused.length, "file")} skipped. ${refused[0]}`));
    this.status.say(`${counted(done - refused.length, "recording")} on the map`);
  }

  /** A note was played on the keys. @param {number} touched */
  played(touched) {
    performance.measure("synthvae:key to sound", { start: touched });
    this.map.update({ played: performance.now() });
  }
}

/** @returns {Node} */
function closeIcon() {
  return /** @type {Node} */ (byId("hint-close").firstElementChild?.cloneNode(true));
}

/** The layout of a view. @param {string} view */
const layoutOf = (view) => view.replace(LINEAR, "");

/** A group of choices: one stop for the Tab key, arrows between them. @param {HTMLElement} group @param {(button: HTMLElement) => void} choose */
function choices(group, choose) {
  rove(group);
  group.addEventListener("click", (event) => {
    const button = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest("[role=radio]"));
    if (button) choose(button);
  });
  group.addEventListener("keydown", (event) => {
    const step = /** @type {Record<string, number>} */ ({ ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 })[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const all = /** @type {HTMLElement[]} */ ([...group.children]);
    const next = all[(all.indexOf(/** @type {HTMLElement} */ (document.activeElement)) + step + all.length) % all.length];
    choose(next);
    next.focus();
  });
}

/** @param {HTMLElement} group */
function rove(group) {
  const all = /** @type {HTMLElement[]} */ ([...group.children]);
  const chosen = all.find((button) => button.getAttribute("aria-checked") === "true") ?? all[0];
  for (const button of all) button.tabIndex = button === chosen ? 0 : -1;
}

const studio = new Studio();
// Exposed for browser tests and the latency benchmark.
/** @type {any} */ (window).synthvae = { latencies: studio.sounds.latencies, studio };
studio.open().catch((error) => {
  studio.status.say("The map could not be opened");
  studio.status.fail(error);
});
