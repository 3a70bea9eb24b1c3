/** Small drawings of what a module does over time, so that eighteen numbers can be read at a glance. */
import { svg } from "../dom.js";

const WIDTH = 96;
const HEIGHT = 26;

/**
 * An envelope: rise, fall, held level, release, with torchsynth's curve (a ramp to the power of alpha).
 * @param {(name: string) => number} value human value of attack, decay, sustain, release, alpha @param {number} held seconds the key is down
 */
export function envelopePath(value, held) {
  const [attack, decay, sustain, release, alpha] = ["attack", "decay", "sustain", "release", "alpha"].map(value);
  const rise = Math.min(attack, held);
  const fall = Math.min(decay, held - rise);
  const total = held + release + 1e-6;
  const at = (/** @type {number} */ t) => {
    const level = t < rise ? (t / Math.max(attack, 1e-6)) ** alpha : t < rise + fall ? 1 - (1 - sustain) * ((t - rise) / Math.max(decay, 1e-6)) ** alpha : sustain;
    return Math.min(1, level);
  };
  const end = at(held - 1e-9);
  const points = [];
  for (let i = 0; i <= 48; i++) {
    const t = (i / 48) * total;
    const level = t < held ? at(t) : end * Math.max(0, 1 - (t - held) / Math.max(release, 1e-6)) ** alpha;
    points.push(`${((t / total) * WIDTH).toFixed(1)},${(HEIGHT - 2 - level * (HEIGHT - 4)).toFixed(1)}`);
  }
  return `M${points.join("L")}`;
}

/** The mixed shape of an LFO over two turns. @param {(name: string) => number} value */
export function lfoPath(value) {
  const shapes = /** @type {[string, (p: number) => number][]} */ ([
    ["sin", (p) => (Math.cos(2 * Math.PI * p + Math.PI) + 1) / 2],
    ["tri", (p) => 1 - Math.abs(2 * p - 1)],
    ["saw", (p) => p],
    ["rsaw", (p) => 1 - p],
    ["sqr", (p) => (p < 0.5 ? 0 : 1)],
  ]);
  const weights = shapes.map(([name]) => value(name));
  const sum = weights.reduce((total, weight) => total + weight, 0) || 1;
  const start = value("initial_phase") / (2 * Math.PI);
  const points = [];
  for (let i = 0; i <= 96; i++) {
    const phase = (((i / 48 + start) % 1) + 1) % 1;
    const level = shapes.reduce((total, [, shape], k) => total + (weights[k] / sum) * shape(phase), 0);
    points.push(`${i},${(HEIGHT - 2 - level * (HEIGHT - 4)).toFixed(1)}`);
  }
  return `M${points.join("L")}`;
}

/** @returns {{root: SVGElement, draw: (path: string) => void}} */
export function sketch() {
  const line = svg("path", { class: "sketch-line" });
  return {
    root: svg("svg", { class: "sketch", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, "aria-hidden": "true" }, line),
    draw: (path) => line.setAttribute("d", path),
  };
}
