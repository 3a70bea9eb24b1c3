/** Pictures of a sound: its waveform, and its spectrogram over octaves. */
import { FFT } from "./fft.js";
import { recolour, scales } from "./colour.js";
import { onPalette } from "./palette.js";

/** dB below the loudest moment that are shown. */
const DEPTH = 72;
/** Hz of the lowest line. */
const LOWEST = 40;

/** @type {Map<number, FFT>} */
const transforms = new Map();

/** @param {number} size */
function transform(size) {
  let found = transforms.get(size);
  if (!found) transforms.set(size, (found = new FFT(size)));
  return found;
}

/**
 * @param {Float32Array} samples @param {number} rate in Hz @param {number} columns @param {number} rows
 * @returns {ImageData} low notes at the bottom
 */
export function spectrogram(samples, rate, columns, rows) {
  const size = 2 ** Math.round(Math.log2(rate * 0.046));
  const fft = transform(size);
  const frame = new Float32Array(size);
  const power = new Float32Array(size / 2 + 1);
  const window = Float32Array.from({ length: size }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / size));
  const levels = new Float32Array(columns * rows);
  const edges = Array.from({ length: rows + 1 }, (_, row) => (LOWEST * (rate / 2 / LOWEST) ** (row / rows) * size) / rate);
  let loudest = 1e-12;
  for (let column = 0; column < columns; column++) {
    // Frames stay within the sound: one beyond its end would show a click that is not audible.
    const middle = Math.round(((column + 0.5) / columns) * samples.length - size / 2);
    const start = Math.max(0, Math.min(samples.length - size, middle));
    for (let i = 0; i < size; i++) frame[i] = (samples[start + i] ?? 0) * window[i];
    fft.power(frame, power);
    for (let row = 0; row < rows; row++) {
      // Several bins a row at the top: the loudest. Several rows a bin at the bottom: between two bins.
      const [low, high] = [edges[row], Math.min(edges[row + 1], size / 2)];
      let value = 0;
      if (high - low < 1) {
        const at = Math.min((low + high) / 2, size / 2 - 1);
        const bin = Math.floor(at);
        value = power[bin] + (power[bin + 1] - power[bin]) * (at - bin);
      } else {
        for (let bin = Math.floor(low); bin <= high; bin++) value = Math.max(value, power[bin]);
      }
      levels[row * columns + column] = value;
      if (value > loudest) loudest = value;
    }
  }
  const image = new ImageData(columns, rows);
  const colours = scales().spectrogram;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const decibels = 10 * Math.log10(levels[row * columns + column] / loudest + 1e-12);
      const share = Math.max(0, 1 + decibels / DEPTH);
      const colour = 3 * Math.round(share * 255);
      const pixel = 4 * ((rows - 1 - row) * columns + column);
      for (let i = 0; i < 3; i++) image.data[pixel + i] = colours[colour + i];
      image.data[pixel + 3] = 255;
    }
  }
  return image;
}

/** How each canvas was drawn, to be done again when the theme changes. @type {WeakMap<HTMLCanvasElement, () => void>} */
const drawn = new WeakMap();
const DRAWN = "spectrogram";

/** @param {HTMLCanvasElement} canvas @param {() => void} draw */
function draw(canvas, draw) {
  canvas.classList.add(DRAWN);
  drawn.set(canvas, draw);
  draw();
}

onPalette(() => {
  for (const canvas of document.querySelectorAll(`canvas.${DRAWN}`)) drawn.get(/** @type {HTMLCanvasElement} */ (canvas))?.();
});

/**
 * Draws a spectrogram over a whole canvas, in the colours of the theme.
 * @param {HTMLCanvasElement} canvas @param {AudioBuffer} buffer @param {number} columns @param {number} rows
 */
export function drawSpectrogram(canvas, buffer, columns, rows) {
  draw(canvas, () => {
    canvas.width = columns;
    canvas.height = rows;
    const image = spectrogram(buffer.getChannelData(0), buffer.sampleRate, columns, rows);
    canvas.getContext("2d")?.putImageData(image, 0, 0);
  });
}

/**
 * Draws levels that the server has measured, in the colours of the theme.
 * @param {HTMLCanvasElement} canvas @param {Uint8Array} levels row by row, the highest notes first @param {number} columns @param {number} rows
 */
export function drawLevels(canvas, levels, columns, rows) {
  draw(canvas, () => {
    canvas.width = columns;
    canvas.height = rows;
    const { spectrogram: colours } = scales();
    const image = new ImageData(columns, rows);
    for (let i = 0; i < levels.length; i++) {
      for (let k = 0; k < 3; k++) image.data[4 * i + k] = colours[3 * levels[i] + k];
      image.data[4 * i + 3] = 255;
    }
    canvas.getContext("2d")?.putImageData(image, 0, 0);
  });
}

/** Draws a spectrogram that the server has drawn. @param {HTMLCanvasElement} canvas @param {ImageBitmap} picture */
export function drawThumbnail(canvas, picture) {
  draw(canvas, () => {
    canvas.width = picture.width;
    canvas.height = picture.height;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    if (!context) return;
    context.drawImage(picture, 0, 0);
    const image = context.getImageData(0, 0, picture.width, picture.height);
    recolour(image);
    context.putImageData(image, 0, 0);
  });
}

/**
 * Draws the extremes of every column.
 * @param {CanvasRenderingContext2D} context @param {number} width @param {number} height @param {Float32Array} samples @param {string} colour
 */
export function drawWaveform(context, width, height, samples, colour) {
  let peak = 1e-6;
  for (let i = 0; i < samples.length; i++) peak = Math.max(peak, Math.abs(samples[i]));
  context.clearRect(0, 0, width, height);
  context.fillStyle = colour;
  for (let column = 0; column < width; column++) {
    const start = Math.floor((column * samples.length) / width);
    const end = Math.max(start + 1, Math.floor(((column + 1) * samples.length) / width));
    let low = 0;
    let high = 0;
    for (let i = start; i < end; i++) {
      if (samples[i] < low) low = samples[i];
      if (samples[i] > high) high = samples[i];
    }
    const top = height / 2 - (high / peak) * (height / 2 - 1);
    const bottom = height / 2 - (low / peak) * (height / 2 - 1);
    context.fillRect(column, top, 1, Math.max(1, bottom - top));
  }
}
