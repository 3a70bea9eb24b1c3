/**
 * The drawn points of the map. Where drawing takes longer than a frame, as it does without a GPU, a picture larger than
 * the map is drawn and panning moves it; it is drawn anew at rest, and when its edge comes into sight.
 */
import { settled } from "../dom.js";
import { Camera } from "./camera.js";

/** CSS pixels that are drawn beyond each edge of the map. */
const MARGIN = 256;
/** Of these, how many lie ahead of the camera at most, when panning has come to the edge. */
const LEAD = MARGIN - 16;
/** Milliseconds of two frames above which drawing is slow. */
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
    this.slow = false;
    /** Number of consecutive slow drawings. */
    this.late = 0;
    this.drawn = { x: 0, y: 0, scale: 0, margin: 0 };
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
    if (left || top) this.atRest();
    return true;
  }

  /** @param {Camera} camera @param {{blend: number, radius: number, fade: number, ratio: number}} how @param {boolean} moving whether the next frame is drawn as well */
  draw(camera, how, moving) {
    const { scale } = camera;
    const margin = this.slow && !moving && scale === this.drawn.scale ? MARGIN : 0;
    const [right, up] = margin ? this.ahead : [0, 0];
    this.drawn = { x: camera.x + right / scale, y: camera.y + up / scale, scale, margin };
    this.ahead = [0, 0];
    this.camera.set(this.drawn);
    this.camera.resize(camera.width + 2 * margin, camera.height + 2 * margin);
    this.renderer.draw(this.camera, how);
    const side = `calc(100% + ${2 * margin}px)`;
    Object.assign(this.canvas.style, { inset: `${-margin}px`, width: side, height: side });
    this.follow(camera);
    const begun = performance.now();
    requestAnimationFrame(() => requestAnimationFrame(() => {
      this.late = performance.now() - begun > SLOW ? this.late + 1 : 0;
      this.slow ||= this.late >= 3;
    }));
  }
}
