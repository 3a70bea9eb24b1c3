/**
 * The interactive map: a click anywhere plays a sound. Owns the camera, the scene, and pointer and keyboard input;
 * dispatches events for their effects.
 *
 * Tools: `play` plays the sound under the pointer, `box` and `lasso` select, `pen` draws a path. With any of them the
 * wheel, two fingers, the right button, or the space bar held move the map itself.
 *
 * @typedef {{place: number[], point: number | null, phase: "down" | "move" | "up", touched: number, plus: boolean, minus: boolean}} Touch
 * @typedef {{edges: Record<string, {words: string, distance: number}>, at: number[]}} Plane the local plane, while it is open; `at` is the
 *     current position on it, -1 to 1
 */
import { ALPHA } from "../colour.js";
import { perFrame, sharpContext } from "../dom.js";
import { onPalette, palette } from "../palette.js";
import { Camera } from "./camera.js";
import { drawOverlay, planeBounds, RIPPLE } from "./overlay.js";
import { Picture } from "./picture.js";
import { CanvasRenderer } from "./renderer-canvas.js";
import { WebglRenderer } from "./renderer-webgl.js";
import { inBox, inLasso, nearest, simplified } from "./selection.js";

/** CSS pixels from a point within which a touch selects it. */
const REACH = 4;
/** Zoom from which another turn of the wheel opens the local plane around the current sound. */
const CLOSE = 40;
/** Milliseconds of a change of view. */
const MORPH = 900;
const STEP = 14;
const TRAIL = 40;

/** @param {number} t @returns {number} slow, fast, slow */
const eased = (t) => (t < 0.5 ? 4 * t ** 3 : 1 - (-2 * t + 2) ** 3 / 2);

export class SoundMap extends EventTarget {
  /** @param {HTMLElement} root @param {HTMLCanvasElement} canvas @param {HTMLCanvasElement} overlay @param {boolean} plain whether to do without WebGL */
  constructor(root, canvas, overlay, plain = false) {
    super();
    this.root = root;
    this.overlay = overlay;
    this.camera = new Camera();
    this.tool = "play";
    /** Whether a shape is being drawn with the keyboard. */
    this.keyed = false;
    /** @type {import("./data.js").View | null} */
    this.view = null;
    this.count = 0;
    /** One for each point that is hidden. */
    this.hidden = new Uint8Array();
    /** @type {Uint8Array | null} */
    this.colours = null;
    this.animation = { start: -Infinity, from: { x: 0, y: 0, scale: 1 }, to: { x: 0, y: 0, scale: 1 }, length: 0, morph: false };
    this.scene = {
      hull: /** @type {number[][][]} */ ([]), clusters: /** @type {any[]} */ ([]), trail: /** @type {number[][]} */ ([]),
      path: /** @type {number[][]} */ ([]), pathShare: /** @type {number | null} */ (null),
      marks: /** @type {import("./overlay.js").Mark[]} */ ([]), hover: /** @type {number[] | null} */ (null),
      shape: /** @type {number[][]} */ ([]), shapeKind: "box", cursor: /** @type {number[] | null} */ (null),
      movedFrom: /** @type {number[] | null} */ (null), crosshair: /** @type {number[] | null} */ (null),
      plane: /** @type {Plane | null} */ (null),
      played: -Infinity, fade: 1, still: window.matchMedia("(prefers-reduced-motion: reduce)").matches,
    };
    try {
      if (plain) throw new Error("asked for");
      this.renderer = new WebglRenderer(canvas, palette());
      canvas.addEventListener("webglcontextlost", () => window.location.reload());
    } catch {
      this.renderer = new CanvasRenderer(canvas, palette());
    }
    root.dataset.renderer = this.renderer.kind;
    const frame = perFrame(() => this.#draw());
    /** Schedules a redraw of the overlay. Points are expensive, so they are redrawn only when the camera or they change. */
    this.invalidate = frame;
    /** Whether the points or their colours have changed and must be drawn again. */
    this.stale = true;
    this.redraw = () => {
      this.stale = true;
      frame();
    };
    this.picture = new Picture(canvas, this.renderer, this.redraw);
    onPalette((colours) => {
      this.renderer.setPalette(colours);
      if (this.count && !this.colours) this.#uncoloured();
      this.redraw();
    });
    new ResizeObserver(() => this.#resize()).observe(root);
    this.#hand();
    this.#keys();
  }

  // -- what is shown -----------------------------------------------------------------------------------

  /** @param {import("./data.js").View} view fetched; the points move there from where they are */
  show(view) {
    const before = this.view;
    this.view = view;
    this.camera.home = this.camera.fitting(view.bounds).scale;
    const morph = before !== null && before.count === view.count && before !== view && !this.scene.still;
    if (view.count !== this.count) {
      this.count = view.count;
      this.#uncoloured();
      this.renderer.setStates(new Uint8Array(view.count));
    }
    this.renderer.setPoints(morph ? before.positions : view.positions, view.positions);
    this.renderer.setGrid(view.grid);
    this.picture.bounds = view.bounds;
    this.scene.hull = view.hull;
    this.scene.clusters = view.clusters;
    this.scene.trail = [];
    this.scene.hover = null;
    this.scene.crosshair = null;
    this.#fly(this.camera.fitting(view.bounds), morph ? MORPH : 0, morph);
  }

  /** One colour for all points, until their values are known. */
  #uncoloured() {
    const colour = [...palette().none, ALPHA];
    this.renderer.setColours(new Uint8Array(4 * this.count).map((_, i) => colour[i % 4]));
  }

  /** @param {Uint8Array} colours RGBA a point */
  colour(colours) {
    if (colours.length !== 4 * this.count) return;
    this.colours = colours;
    const shown = colours.slice();
    if (this.hidden.length === this.count) for (let i = 0; i < this.count; i++) if (this.hidden[i]) shown[4 * i + 3] = 0;
    this.renderer.setColours(shown);
    this.redraw();
  }

  /** Points that are neither drawn nor found under the pointer. @param {Iterable<number>} ids */
  hide(ids) {
    this.hidden = new Uint8Array(this.count);
    for (const id of ids) this.hidden[id] = 1;
    if (this.colours) this.colour(this.colours);
  }

  /** Raises points above the others. @param {Uint32Array | null} ids */
  highlight(ids) {
    const states = new Uint8Array(this.count);
    if (ids) {
      states.fill(1);
      for (const id of ids) if (!this.hidden[id]) states[id] = 2;
    }
    this.renderer.setStates(states);
    this.redraw();
  }

  /** @param {Partial<SoundMap["scene"]>} changes */
  update(changes) {
    Object.assign(this.scene, changes);
    this.invalidate();
  }

  /** The current sound's place. @param {number[] | null} place @param {number[] | null} movedFrom @param {boolean} played */
  point(place, movedFrom, played) {
    this.scene.cursor = place;
    this.scene.movedFrom = movedFrom;
    if (played) this.scene.played = performance.now();
    if (place && !this.dragging) this.#keepInSight(place);
    this.invalidate();
  }

  /** @param {Plane | null} plane null closes it */
  showPlane(plane) {
    this.root.classList.toggle("on-plane", plane !== null);
    this.update({ plane, crosshair: null, hover: null });
  }

  /** The position on the local plane of a place of the window. @param {number[]} here CSS pixels */
  #onPlane([left, top]) {
    const bounds = planeBounds(this.camera);
    return [(2 * (left - bounds.left)) / bounds.width - 1, 1 - (2 * (top - bounds.top)) / bounds.height].map((value) => Math.max(-1, Math.min(1, value)));
  }

  /** @param {number[]} at @param {Touch["phase"]} phase @param {number} touched */
  #touchPlane(at, phase, touched) {
    if (!this.scene.plane) return;
    this.update({ plane: { ...this.scene.plane, at } });
    this.dispatchEvent(new CustomEvent("plane", { detail: { at, phase, touched } }));
  }

  /** @param {string} tool */
  use(tool) {
    this.tool = tool;
    this.keyed = false;
    this.root.dataset.tool = tool;
    this.scene.shape = [];
    this.invalidate();
  }

  fit() {
    if (this.view) this.#fly(this.camera.fitting(this.view.bounds), this.scene.still ? 0 : 350, false);
  }

  /** @param {number} factor */
  zoom(factor) {
    const state = { x: this.camera.x, y: this.camera.y, scale: this.camera.scale * factor };
    this.#fly(state, this.scene.still ? 0 : 180, false);
  }

  get dragging() {
    return this.pressed !== null;
  }

  /** @param {{x: number, y: number, scale: number}} to @param {number} length in ms @param {boolean} morph whether points move as well */
  #fly(to, length, morph) {
    const { x, y, scale } = this.camera;
    if (length === 0) this.camera.set(to); // so that reads before the next frame get the new state
    this.animation = { start: performance.now(), from: { x, y, scale }, to, length, morph };
    this.redraw();
  }

  /** @param {number[]} place */
  #keepInSight(place) {
    const [left, top] = this.camera.toScreen(place[0], place[1]);
    const { width, height } = this.camera;
    if (left > 0 && top > 0 && left < width && top < height) return;
    this.#fly({ x: place[0], y: place[1], scale: this.camera.scale }, this.scene.still ? 0 : 350, false);
  }

  #resize() {
    const { width, height } = this.root.getBoundingClientRect();
    const fits = this.view && Math.abs(this.camera.zoom - 1) < 1e-3;
    this.camera.resize(width, height);
    if (this.view) {
      const home = this.camera.fitting(this.view.bounds);
      this.camera.home = home.scale;
      if (fits) {
        this.animation.length = 0;
        this.camera.set(home);
      }
    }
    this.redraw();
  }

  #draw() {
    const now = performance.now();
    const { start, from, to, length, morph } = this.animation;
    const share = length > 0 ? Math.min(1, (now - start) / length) : 1;
    const t = eased(share);
    if (Number.isFinite(start)) {
      this.camera.set({ x: from.x + (to.x - from.x) * t, y: from.y + (to.y - from.y) * t, scale: from.scale * (to.scale / from.scale) ** t });
      if (share >= 1) this.animation.start = -Infinity;
    }
    const moving = morph && share < 1;
    this.scene.fade = moving ? Math.max(0, (t - 0.6) / 0.4) : 1;
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    if (this.stale || share < 1 || !this.picture.follow(this.camera)) {
      this.stale = share < 1; // the last frame of a flight is drawn where it ends
      this.picture.draw(this.camera, { blend: moving ? t : 1, radius: this.#radius(), fade: this.scene.fade, ratio }, share < 1);
    }
    const { context } = sharpContext(this.overlay);
    drawOverlay(context, this.camera, this.scene, now);
    if (share < 1 || (now - this.scene.played < RIPPLE && !this.scene.still)) this.invalidate();
  }

  /** Points as large as leaves them apart, larger when seen closer. */
  #radius() {
    const room = Math.sqrt((this.camera.width * this.camera.height) / Math.max(1, this.count));
    const base = Math.min(4.5, Math.max(0.9, 0.27 * room));
    return Math.min(9, base * Math.max(0.7, this.camera.zoom) ** 0.45);
  }

  // -- pointer input -----------------------------------------------------------------------------------

  /** @param {number} left @param {number} top CSS pixels @returns {number | null} the point under it */
  pointAt(left, top) {
    if (!this.view || this.animation.morph && Number.isFinite(this.animation.start)) return null;
    const [x, y] = this.camera.toMap(left, top);
    const { id, distance } = nearest(this.view.positions, x, y, this.hidden);
    return id >= 0 && distance * this.camera.scale <= Math.max(REACH, this.#radius() + 1) ? id : null;
  }

  #hand() {
    /** @type {Map<number, number[]>} */
    const fingers = new Map();
    /** @type {number | null} */
    this.pressed = null;
    let mode = "";
    let space = false;
    /** @type {number[][]} */
    let line = [];
    const at = (/** @type {PointerEvent | WheelEvent} */ event) => {
      const box = this.root.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    const touch = (/** @type {PointerEvent} */ event, /** @type {Touch["phase"]} */ phase) => {
      const [left, top] = at(event);
      this.#touch({
        place: this.camera.toMap(left, top),
        point: phase === "down" ? this.pointAt(left, top) : null,
        phase, touched: event.timeStamp, plus: event.shiftKey, minus: event.altKey,
      });
    };
    window.addEventListener("keydown", (event) => (space = event.code === "Space" || space));
    window.addEventListener("keyup", (event) => (space = event.code === "Space" ? false : space));

    this.root.addEventListener("pointerdown", (event) => {
      if (event.target !== this.root && /** @type {Element} */ (event.target).tagName !== "CANVAS") return;
      if (!this.view) return;
      fingers.set(event.pointerId, at(event));
      this.root.setPointerCapture(event.pointerId);
      this.scene.crosshair = null;
      if (fingers.size > 1) {
        mode = "pinch";
        this.scene.shape = [];
        return;
      }
      this.animation.start = -Infinity;
      this.pressed = event.pointerId;
      mode = this.scene.plane ? "plane" : event.button > 0 || space ? "pan" : this.tool;
      if (mode === "plane") {
        this.#touchPlane(this.#onPlane(at(event)), "down", event.timeStamp);
        return;
      }
      const place = this.camera.toMap(...(/** @type {[number, number]} */ (at(event))));
      if (mode === "play") {
        this.scene.trail = [];
        touch(event, "down");
      } else if (mode !== "pan") {
        line = [place];
        if (mode === "pen") this.update({ path: line, pathShare: null });
        else this.update({ shape: mode === "box" ? [place, place] : line, shapeKind: mode });
      }
    });

    this.root.addEventListener("pointermove", (event) => {
      const here = at(event);
      const before = fingers.get(event.pointerId);
      if (!before) {
        if (event.pointerType === "mouse") this.#hover(here, event.target);
        return;
      }
      if (mode === "pinch" && fingers.size > 1) {
        const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1] ?? before;
        const was = Math.hypot(before[0] - other[0], before[1] - other[1]);
        const is = Math.hypot(here[0] - other[0], here[1] - other[1]);
        this.camera.pan((here[0] - before[0]) / 2, (here[1] - before[1]) / 2);
        if (was > 0) this.camera.zoomAt(is / was, (here[0] + other[0]) / 2, (here[1] + other[1]) / 2);
        this.invalidate();
      } else if (mode === "pan") {
        this.camera.pan(here[0] - before[0], here[1] - before[1]);
        this.invalidate();
      } else if (mode === "plane") {
        this.#touchPlane(this.#onPlane(here), "move", event.timeStamp);
      } else if (mode === "play") {
        if (Math.hypot(here[0] - before[0], here[1] - before[1]) < 2) return;
        touch(event, "move");
      } else if (line.length) {
        const place = this.camera.toMap(here[0], here[1]);
        if (mode === "box") line = [line[0], place];
        else line.push(place);
        this.update(mode === "pen" ? { path: line } : { shape: line });
      }
      fingers.set(event.pointerId, here);
    });

    const end = (/** @type {PointerEvent} */ event) => {
      if (!fingers.delete(event.pointerId)) return;
      if (this.pressed === event.pointerId) this.pressed = null;
      if (fingers.size) return;
      const finished = event.type === "pointerup";
      if (mode === "play" && finished) touch(event, "up");
      else if (mode === "plane" && finished) this.#touchPlane(this.#onPlane(at(event)), "up", event.timeStamp);
      else if (finished && line.length) this.#drawn(mode, line);
      line = [];
      mode = "";
    };
    this.root.addEventListener("pointerup", end);
    this.root.addEventListener("pointercancel", end);
    this.root.addEventListener("pointerleave", () => this.#hover(null, null));
    this.root.addEventListener("contextmenu", (event) => event.preventDefault());
    this.root.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        this.animation.start = -Infinity;
        const [left, top] = at(event);
        if (this.scene.plane || (event.deltaY < 0 && this.camera.zoom > CLOSE)) {
          if (this.scene.plane ? event.deltaY > 0 : true) this.dispatchEvent(new CustomEvent("closer", { detail: !this.scene.plane }));
          return;
        }
        const lines = event.deltaMode === 1 ? 18 : 1;
        this.camera.zoomAt(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0016)), left, top);
        if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) this.camera.pan(-event.deltaX * lines, 0);
        this.invalidate();
      },
      { passive: false },
    );
  }

  #hover = perFrame((/** @type {number[] | null} */ here, /** @type {EventTarget | null} */ target) => {
    const over = here && !this.scene.plane && target instanceof HTMLCanvasElement ? this.pointAt(here[0], here[1]) : null;
    const positions = this.view?.positions;
    this.scene.hover = over === null || !positions ? null : [positions[2 * over], positions[2 * over + 1]];
    this.dispatchEvent(new CustomEvent("hover", { detail: { point: over, place: here ? this.camera.toMap(here[0], here[1]) : null } }));
    this.invalidate();
  });

  /** @param {Touch} touch */
  #touch(touch) {
    if (touch.phase !== "up") this.scene.trail = [...this.scene.trail, touch.place].slice(-TRAIL);
    this.dispatchEvent(new CustomEvent("touch", { detail: touch }));
    if (touch.phase === "down") this.scene.played = -Infinity; // ends the ripple
    else this.invalidate();
  }

  /** A shape is finished. @param {string} kind @param {number[][]} line */
  #drawn(kind, line) {
    this.scene.shape = [];
    this.invalidate();
    if (!this.view) return;
    if (kind === "pen") {
      const kept = simplified(line, 2 / this.camera.scale).slice(0, 2000);
      if (kept.length > 1 && length(kept) * this.camera.scale > 12) this.dispatchEvent(new CustomEvent("path", { detail: kept }));
      else this.dispatchEvent(new CustomEvent("path", { detail: [] }));
      return;
    }
    const inside = kind === "box" ? inBox(this.view.positions, line[0], line[line.length - 1]) : inLasso(this.view.positions, line);
    this.dispatchEvent(new CustomEvent("select", { detail: inside }));
  }

  // -- the keyboard ------------------------------------------------------------------------------------

  #keys() {
    const directions = /** @type {Record<string, number[]>} */ ({ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] });
    this.root.addEventListener("keydown", (event) => {
      if (event.target !== this.root || !this.view || event.ctrlKey || event.metaKey || event.altKey) return;
      const direction = directions[event.key];
      if (this.scene.plane && (direction || event.key === "-" || event.key === "Escape")) {
        const step = event.shiftKey ? 0.25 : 0.05;
        const at = this.scene.plane.at.map((value, i) => Math.max(-1, Math.min(1, value + step * [1, -1][i] * (direction?.[i] ?? 0))));
        if (direction) for (const phase of /** @type {const} */ (["down", "up"])) this.#touchPlane(at, phase, event.timeStamp);
        else this.dispatchEvent(new CustomEvent("closer", { detail: false }));
      } else if (direction) this.#moveCrosshair(direction, event.shiftKey ? 5 * STEP : STEP);
      else if (event.key === "Enter") this.#pressCrosshair(event);
      else if (event.key === "+" || event.key === "=") this.zoom(1.4);
      else if (event.key === "-") this.zoom(1 / 1.4);
      else if (event.key === "Home") this.fit();
      else {
        if (event.key === "Escape") this.update({ shape: [], crosshair: null }); // main.js clears the selection
        return;
      }
      event.preventDefault();
      event.stopPropagation();
    });
    this.root.addEventListener("blur", () => this.update({ crosshair: null }));
  }

  /** @param {number[]} direction @param {number} pixels */
  #moveCrosshair(direction, pixels) {
    const start = this.scene.crosshair ?? this.scene.cursor ?? [this.camera.x, this.camera.y];
    const [left, top] = this.camera.toScreen(start[0], start[1]);
    const here = [left + direction[0] * pixels, top + direction[1] * pixels];
    const { width, height } = this.camera;
    if (here[0] < 20 || here[0] > width - 20) this.camera.pan(-direction[0] * pixels, 0);
    if (here[1] < 20 || here[1] > height - 20) this.camera.pan(0, -direction[1] * pixels);
    this.scene.crosshair = [start[0] + (direction[0] * pixels) / this.camera.scale, start[1] - (direction[1] * pixels) / this.camera.scale];
    if (this.scene.shape.length && this.scene.shapeKind === "box") this.scene.shape = [this.scene.shape[0], this.scene.crosshair];
    this.invalidate();
  }

  /** What the tool does at the crosshair; with Shift a lasso or a path ends. @param {KeyboardEvent} event */
  #pressCrosshair(event) {
    const place = this.scene.crosshair ?? this.scene.cursor ?? [this.camera.x, this.camera.y];
    if (this.tool === "play") {
      const [left, top] = this.camera.toScreen(place[0], place[1]);
      const point = event.shiftKey && this.view ? nearest(this.view.positions, place[0], place[1], this.hidden).id : this.pointAt(left, top);
      const touched = event.timeStamp;
      for (const phase of /** @type {const} */ (["down", "up"])) this.#touch({ place, point, phase, touched, plus: false, minus: false });
      return;
    }
    const drawn = this.tool === "pen" ? this.scene.path : this.scene.shape;
    const line = this.keyed && drawn.length ? [...(this.tool === "box" ? [drawn[0]] : drawn), place] : [place];
    this.keyed = true;
    const over = this.tool === "box" ? line.length > 1 : event.shiftKey;
    if (over) {
      this.keyed = false;
      this.#drawn(this.tool, this.tool === "box" ? [line[0], place] : line);
    } else if (this.tool === "pen") this.update({ path: line, pathShare: null });
    else this.update({ shape: this.tool === "box" ? [place, place] : line, shapeKind: this.tool });
  }
}

/** @param {number[][]} line */
function length(line) {
  return line.slice(1).reduce((sum, place, i) => sum + Math.hypot(place[0] - line[i][0], place[1] - line[i][1]), 0);
}
