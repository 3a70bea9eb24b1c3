/**
 * The drawn points of the map. Where drawing takes longer than a frame, as it does without a GPU, a picture larger than
 * the map is drawn and panning moves it. Where all points fit, they are all in it; otherwise it is drawn anew at rest, and
 * when its edge comes into sight.
 */
import { settled } from "../dom.js";
import { Camera } from "./camera.js";

/** CSS pixels that are drawn beyond each edge of the map. */
const MARGIN = 256;
/** Of these, how many lie ahead of the camera at most, when panning has come to the edge. */
const LEAD = MARGIN - 16;
/** Share of the bounds of all points beyond which nothing is drawn: there the background has faded out. */
const FADED = 0.07;
/** CSS pixels beyond the bounds that a point takes at most. */
const DOT = 16;
/** Milliseconds of two drawings, or two frames, above which drawing is slow. */
const SLOW = 50;
/** Milliseconds without panning after which the picture is drawn anew. */
const REST = 250;

export class Picture {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {import("./renderer-webgl.js").WebglRenderer | import("./renderer-canvas.js").CanvasRenderer} renderer
   * @param {() => void} redraw schedules a call of `draw`
   */
  constructor(canvas, renderer, redraw) {
    this.canvas = canvas;
    this.renderer = renderer;
    this.redraw = redraw;
    this.slow = false;
    /** Whether drawing has been timed, or will be. */
    this.timing = false;
    this.timed = false;
    /** Number of consecutive slow drawings. */
    this.late = 0;
    /** What is drawn: the centre, the scale, and by how many CSS pixels it can be moved. */
    this.drawn = { x: 0, y: 0, scale: 0, margin: 0 };
    /** Bounds of all points. @type {number[] | null} */
    this.bounds = null;
    /** CSS pixels by which the next picture is ahead of the camera, in the direction of panning. */
    this.ahead = [0, 0];
    this.camera = new Camera();
    this.atRest = settled(redraw, REST);
  }

  /**
   * Moves the picture to where a camera sees it, if its scale is the same and it covers the map.
   * @param {Camera} camera @returns {boolean} whether it could
   */
  follow(camera) {
    const { x, y, scale, margin } = this.drawn;
    if (scale !== camera.scale) return false;
    const left = Math.round((x - camera.x) * scale);
    const top = Math.round((camera.y - y) * scale);
    if (Math.max(Math.abs(left), Math.abs(top)) > margin) {
      if (margin) this.ahead = [-left, top].map((way) => Math.max(-LEAD, Math.min(LEAD, way)));
      return false;
    }
    this.canvas.style.translate = `${left}px ${top}px`;
    if ((left || top) && margin !== Infinity) this.atRest();
    return true;
  }

  /** @param {Camera} camera @param {{blend: number, radius: number, fade: number, ratio: number}} how @param {boolean} moving whether the next frame is drawn as well */
  draw(camera, how, moving) {
    const { scale } = camera;
    const larger = this.slow && !moving && scale === this.drawn.scale;
    this.drawn = (larger && this.#whole(camera)) || this.#around(camera, larger ? MARGIN : 0);
    this.ahead = [0, 0];
    this.camera.set(this.drawn);
    this.renderer.draw(this.camera, how);
    const { width, height } = this.camera;
    const inset = `${(camera.height - height) / 2}px auto auto ${(camera.width - width) / 2}px`;
    Object.assign(this.canvas.style, { inset, width: `${width}px`, height: `${height}px` });
    this.follow(camera);
    if (!this.timing && this.bounds && !moving) {
      this.timing = true;
      window.setTimeout(() => this.#time(how));
    }
    const begun = performance.now();
    requestAnimationFrame(() => requestAnimationFrame(() => {
      this.late = performance.now() - begun > SLOW ? this.late + 1 : 0;
      this.slow ||= this.late >= 3;
    }));
  }

  /**
   * Draws the points again and waits for that: whether it is slow is then known before the map is panned.
   * @param {{blend: number, radius: number, fade: number, ratio: number}} how
   */
  #time(how) {
    this.renderer.finish(); // the first picture compiles shaders and copies the points
    const begun = performance.now();
    this.renderer.draw(this.camera, how);
    this.renderer.finish();
    this.timed = true;
    if (2 * (performance.now() - begun) < SLOW) return;
    this.slow = true;
    this.redraw();
  }

  /** A picture of what a camera sees and of a margin around it. @param {Camera} camera @param {number} margin CSS pixels */
  #around({ x, y, scale, width, height }, margin) {
    const [right, up] = margin ? this.ahead : [0, 0];
    this.camera.resize(width + 2 * margin, height + 2 * margin);
    return { x: x + right / scale, y: y + up / scale, scale, margin };
  }

  /** A picture of all points, unless it would be larger than one with a margin. @param {Camera} camera */
  #whole({ scale, width, height }) {
    if (!this.bounds) return null;
    const [x0, y0, x1, y1] = this.bounds;
    const [across, up] = [x1 - x0, y1 - y0].map((side) => Math.ceil(side * (1 + 2 * FADED) * scale) + 2 * DOT);
    if (across * up > (width + 2 * MARGIN) * (height + 2 * MARGIN)) return null;
    this.camera.resize(across, up);
    return { x: (x0 + x1) / 2, y: (y0 + y1) / 2, scale, margin: Infinity };
  }
}
