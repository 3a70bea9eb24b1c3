/**
 * The same picture without WebGL: points are written into an image a pixel at a time, which holds 60 frames a second
 * at 100,000 points where drawing as many circles would not.
 */

/** Share of the theme's faded colour in a point that is not selected, and its alpha. */
const FADED = 0.75;
const FADED_ALPHA = 165;

export class CanvasRenderer {
  /** @param {HTMLCanvasElement} canvas @param {import("../palette.js").Palette} palette */
  constructor(canvas, palette) {
    this.kind = "canvas";
    this.canvas = canvas;
    this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false }));
    this.palette = palette;
    /** @type {Float32Array} */
    this.before = new Float32Array();
    /** @type {Float32Array} */
    this.after = new Float32Array();
    /** A pixel of each point, as the image holds it. @type {Uint32Array} */
    this.colours = new Uint32Array();
    /** The same for a point that is not selected. @type {Uint32Array} */
    this.faded = new Uint32Array();
    /** @type {Parameters<CanvasRenderer["setGrid"]>[0]} */
    this.grid = null;
    /** @type {Uint8Array} */
    this.states = new Uint8Array();
    this.raised = false;
    /** @type {HTMLCanvasElement | null} */
    this.sheet = null;
    this.bounds = [0, 0, 1, 1];
    /** The layer of points. */
    this.layer = document.createElement("canvas");
    /** @type {ImageData | null} */
    this.image = null;
  }

  /** @param {Float32Array} before @param {Float32Array} after */
  setPoints(before, after) {
    this.before = before;
    this.after = after;
  }

  /** @param {Uint8Array} colours */
  setColours(colours) {
    this.colours = new Uint32Array(colours.buffer.slice(colours.byteOffset, colours.byteOffset + colours.byteLength));
    const faded = this.palette.faded;
    const mixed = Uint8Array.from(colours, (value, i) => (i % 4 === 3 ? value && FADED_ALPHA : value + (faded[i % 4] - value) * FADED));
    this.faded = new Uint32Array(mixed.buffer);
  }

  /** @param {import("../palette.js").Palette} palette of another theme; the colours of the points stay */
  setPalette(palette) {
    this.palette = palette;
    this.setGrid(this.grid);
  }

  /** @param {Uint8Array} states */
  setStates(states) {
    this.states = states;
    this.raised = states.includes(2);
  }

  /** @param {{width: number, height: number, bounds: number[], confidence: Uint8Array} | null} grid */
  setGrid(grid) {
    this.sheet = null;
    this.grid = grid;
    if (!grid) return;
    const { width, height } = grid;
    const sheet = document.createElement("canvas");
    Object.assign(sheet, { width, height });
    const image = new ImageData(width, height);
    const { ground, raised } = this.palette;
    for (let row = 0; row < height; row++) {
      for (let column = 0; column < width; column++) {
        const trust = grid.confidence[row * width + column] / 255;
        const pixel = 4 * ((height - 1 - row) * width + column); // the grid goes up, an image goes down
        for (let i = 0; i < 3; i++) image.data[pixel + i] = ground[i] + (raised[i] - ground[i]) * trust;
        image.data[pixel + 3] = 255;
      }
    }
    /** @type {CanvasRenderingContext2D} */ (sheet.getContext("2d")).putImageData(image, 0, 0);
    this.sheet = sheet;
    this.bounds = grid.bounds;
  }

  /**
   * @param {import("./camera.js").Camera} camera
   * @param {{blend: number, radius: number, fade: number, ratio: number}} how
   */
  draw(camera, { blend, radius, fade, ratio }) {
    const { canvas, context } = this;
    const [width, height] = [Math.round(camera.width * ratio), Math.round(camera.height * ratio)];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = `rgb(${this.palette.ground.join(" ")})`;
    context.fillRect(0, 0, width, height);
    if (this.sheet && fade > 0) {
      const [left, top] = camera.toScreen(this.bounds[0], this.bounds[3]);
      const [right, bottom] = camera.toScreen(this.bounds[2], this.bounds[1]);
      context.globalAlpha = fade;
      context.imageSmoothingQuality = "high";
      context.drawImage(this.sheet, left * ratio, top * ratio, (right - left) * ratio, (bottom - top) * ratio);
      context.globalAlpha = 1;
    }
    this.#points(camera, blend, radius, ratio, width, height);
  }

  /** @param {import("./camera.js").Camera} camera @param {number} blend @param {number} radius @param {number} ratio @param {number} width @param {number} height */
  #points(camera, blend, radius, ratio, width, height) {
    const { layer, before, after, colours, faded, states } = this;
    if (layer.width !== width || layer.height !== height) Object.assign(layer, { width, height });
    const context = /** @type {CanvasRenderingContext2D} */ (layer.getContext("2d", { willReadFrequently: true }));
    if (this.image?.width !== width || this.image.height !== height) this.image = new ImageData(width, height);
    const image = this.image;
    const pixels = new Uint32Array(image.data.buffer);
    pixels.fill(0);
    const scale = camera.scale * ratio;
    const [across, up] = [width / 2 - camera.x * scale, height / 2 + camera.y * scale];
    const count = after.length / 2;
    for (const pass of this.raised ? [0, 2] : [0]) {
      const size = Math.max(1, radius * ratio * (pass ? 1.5 : 1));
      const stencil = disc(size, width);
      const reach = Math.ceil(size);
      const [right, bottom] = [width - reach, height - reach];
      for (let i = 0; i < count; i++) {
        const state = states[i];
        if ((state === 2) !== (pass === 2) || colours[i] >>> 24 === 0) continue; // hidden
        const x = after[2 * i];
        const y = after[2 * i + 1];
        const left = Math.round((blend === 1 ? x : before[2 * i] + (x - before[2 * i]) * blend) * scale + across);
        const top = Math.round(up - (blend === 1 ? y : before[2 * i + 1] + (y - before[2 * i + 1]) * blend) * scale);
        if (left < reach || top < reach || left >= right || top >= bottom) continue;
        const colour = state === 1 ? faded[i] : colours[i];
        const at = top * width + left;
        for (let k = 0; k < stencil.length; k++) pixels[at + stencil[k]] = colour;
      }
    }
    context.putImageData(image, 0, 0);
    this.context.drawImage(layer, 0, 0);
  }

  /** Nothing to wait for: points are drawn when they are asked for. */
  finish() {}
}

/** @param {number} radius in pixels @param {number} width of the image @returns {Int32Array} offsets in it */
function disc(radius, width) {
  const offsets = [];
  const reach = Math.floor(radius);
  for (let y = -reach; y <= reach; y++) {
    for (let x = -reach; x <= reach; x++) if (x * x + y * y <= radius * radius) offsets.push(y * width + x);
  }
  return Int32Array.from(offsets);
}
