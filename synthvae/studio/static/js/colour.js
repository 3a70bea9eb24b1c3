/**
 * Colours of the points and of spectrograms. Scales are perceptually even and hold for colour-blind eyes: the hues of viridis,
 * and magma (van der Walt and Smith, CC0); a diverging, a cyclic and a paper scale that are even by construction, straight or
 * round in OKLab (B. Ottosson, "A perceptual color space for image processing", 2020). Classes are Okabe and Ito's. Each has a
 * form for either theme in which every colour of a point stands out from the ground of the map by 3:1 (WCAG 2.2, 1.4.11).
 */
import { palette } from "./palette.js";

const VIRIDIS =
  "440154471164482071472e7c443b843f48893a548c34608d2f6c8e2a768e26818e228b8d1f958b1fa08824aa832fb47c42be7158c76570cf578bd646a8db34c5e021e2e418fde725";
const MAGMA =
  "000004060518110c2f1e11492f1163420f7554137d651a807822818928819b2e7fad347cbf3a77d0416fe04c67ed5a5ff66e5cfb835ffd9869feac76fec185fed597fde9aafcfdbf";

const STEPS = 256;
/** Of a point, so that those under it can be seen where many lie close together. */
export const ALPHA = 235;

/** @param {string} hex @returns {number[]} */
function rgb(hex) {
  return [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

/** A colour between anchors. @param {number[][]} colours in a row @param {number} share @returns {number[]} */
function between(colours, share) {
  const at = share * (colours.length - 1);
  const low = Math.min(colours.length - 2, Math.floor(at));
  return colours[low].map((value, i) => value + (colours[low + 1][i] - value) * (at - low));
}

/** @param {string} anchors hexadecimal colours in a row @returns {number[][]} */
function colours(anchors) {
  return /** @type {string[]} */ (anchors.match(/.{6}/g)).map(rgb);
}

/** @param {number[]} lab @returns {number[]} sRGB, 0 to 255 */
function fromOklab([lightness, a, b]) {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ].map((value) => {
    const kept = Math.min(1, Math.max(0, value));
    return 255 * (kept <= 0.0031308 ? 12.92 * kept : 1.055 * kept ** (1 / 2.4) - 0.055);
  });
}

/** @param {number[]} colour sRGB, 0 to 255 @returns {number[]} */
function toOklab(colour) {
  const [r, g, b] = colour.map((value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

/** @param {number} lightness @param {number} chroma @param {number} hue in radians @returns {number[]} sRGB, 0 to 255 */
function polar(lightness, chroma, hue) {
  return fromOklab([lightness, chroma * Math.cos(hue), chroma * Math.sin(hue)]);
}

/** @param {(share: number) => number[]} colour @returns {Uint8Array} `STEPS` times three */
function table(colour) {
  const values = new Uint8Array(3 * STEPS);
  for (let i = 0; i < STEPS; i++) values.set(colour(i / (STEPS - 1)).map(Math.round), 3 * i);
  return values;
}

/** Viridis's hues from its lowest to its highest value, over the lightnesses that stand out from the ground. @param {boolean} light */
function viridis(light) {
  const anchors = colours(VIRIDIS).map(toOklab);
  const [first, last] = [anchors[0][0], anchors[anchors.length - 1][0]];
  const [low, high] = light ? [0.3, 0.57] : [0.6, 0.93];
  const [chroma, less] = light ? [1.1, 0.72] : [1.25, 1]; // what sRGB has at these lightnesses
  return table((share) => {
    const [lightness, a, b] = between(anchors, share);
    const scale = chroma + (less - chroma) * share;
    return fromOklab([low + ((high - low) * (lightness - first)) / (last - first), scale * a, scale * b]);
  });
}

/** Blue to orange, by white on a dark ground and by near-black on a light one, so that both ends and the middle stand out. @param {boolean} light */
function diverging(light) {
  return table((share) => {
    const side = 2 * share - 1;
    const reach = Math.abs(side);
    if (light) return polar(0.3 + 0.27 * reach, 0.15 * reach, ((side < 0 ? 255 : 50) * Math.PI) / 180);
    return polar(0.93 - 0.31 * reach, 0.14 * reach, ((side < 0 ? 250 : 60) * Math.PI) / 180);
  });
}

/** Once around at one chroma and nearly one lightness: a phase has no lowest value. @param {boolean} light */
function cyclic(light) {
  const [middle, reach] = light ? [0.5, 0.06] : [0.72, 0.1];
  return table((share) => polar(middle + reach * Math.cos(2 * Math.PI * share - 1.9), 0.11, 2 * Math.PI * share));
}

/** Spectrograms on paper: magma's hues from white for silence to near-black. */
function paper() {
  return table((share) => polar(0.985 - 0.8 * share, 0.165 * Math.sin(Math.PI * share), ((80 - 155 * share) * Math.PI) / 180));
}

const MAGMA_TABLE = table((share) => between(colours(MAGMA), share));

const SCALES = {
  dark: { viridis: viridis(false), diverging: diverging(false), cyclic: cyclic(false), spectrogram: MAGMA_TABLE },
  light: { viridis: viridis(true), diverging: diverging(true), cyclic: cyclic(true), spectrogram: paper() },
};

/** Scales of the current theme. */
export function scales() {
  return SCALES[palette().light ? "light" : "dark"];
}

/**
 * An image that the server has drawn in the colours of magma, in those of the current theme.
 * @param {ImageData} image changed in place
 */
export function recolour(image) {
  const { spectrogram } = scales();
  if (spectrogram === MAGMA_TABLE) return;
  const { data } = image;
  const light = (/** @type {ArrayLike<number>} */ of, /** @type {number} */ i) => 0.2126 * of[i] + 0.7152 * of[i + 1] + 0.0722 * of[i + 2];
  for (let pixel = 0; pixel < data.length; pixel += 4) {
    const wanted = light(data, pixel);
    let [low, high] = [0, STEPS - 1]; // magma becomes lighter all the way
    while (low < high) {
      const middle = (low + high) >> 1;
      if (light(MAGMA_TABLE, 3 * middle) < wanted) low = middle + 1;
      else high = middle;
    }
    for (let i = 0; i < 3; i++) data[pixel + i] = spectrogram[3 * low + i];
  }
}

/** Colours before they repeat: all of them, then paler ones (on a light ground darker ones), then greyer ones. */
const ROUNDS = 3;
/** OKLab of a colour to that of the same hue in each round. @type {Record<string, ((colour: number[]) => number[])[]>} */
const VARIANTS = {
  dark: [([l, a, b]) => [l, a, b], ([l, a, b]) => [0.5 * l + 0.485, 0.5 * a, 0.5 * b], ([l, a, b]) => [0.6 + 0.1 * (l - 0.6), 0.5 * a, 0.5 * b]],
  light: [([l, a, b]) => [l, a, b], ([l, a, b]) => [0.34 + 0.2 * (l - 0.5), 0.85 * a, 0.85 * b], ([, a, b]) => [0.57, 0.45 * a, 0.45 * b]],
};

/**
 * Colours for clusters such that no two neighbours have the same: the largest choose first, and once all colours are
 * taken each takes the one whose others lie furthest away.
 * @param {{id: number, x: number, y: number, count: number}[]} clusters @returns {Map<number, number>} classes by cluster
 */
export function spreadClasses(clusters) {
  /** @type {Map<number, number>} */
  const chosen = new Map();
  const ordered = [...clusters].sort((a, b) => b.count - a.count);
  const colours = Array.from({ length: palette().classes.length * ROUNDS }, (_, i) => i);
  for (const cluster of ordered) {
    let best = 0;
    let furthest = -1;
    for (const colour of colours) {
      const others = ordered.filter((other) => chosen.get(other.id) === colour);
      const distance = Math.min(Infinity, ...others.map((other) => Math.hypot(other.x - cluster.x, other.y - cluster.y)));
      if (distance > furthest) [best, furthest] = [colour, distance];
      if (distance === Infinity) break;
    }
    chosen.set(cluster.id, best);
  }
  return chosen;
}

/** @param {number} number of a class, 0 or above; later rounds through the colours are variants of them @returns {number[]} */
export function classColour(number) {
  const { classes, light } = palette();
  const round = Math.floor(number / classes.length) % ROUNDS;
  return fromOklab(VARIANTS[light ? "light" : "dark"][round](toOklab(classes[number % classes.length])));
}

/** @param {number[]} colour @returns {string} */
export function css(colour) {
  return `rgb(${colour.map(Math.round).join(" ")})`;
}

/** @param {Uint8Array} scale @param {number} share 0 to 1 @returns {number[]} */
export function at(scale, share) {
  const i = 3 * Math.round(Math.min(1, Math.max(0, share)) * (STEPS - 1));
  return [scale[i], scale[i + 1], scale[i + 2]];
}

/**
 * How a column is coloured.
 * @param {Float32Array} values @param {{kind: string, unit: string}} column @param {any} [parameter] where it is one
 * @returns {{classes: boolean, scale: Uint8Array, low: number, high: number, octaves: boolean}}
 */
export function colouring(values, column, parameter) {
  const { viridis, diverging, cyclic } = scales();
  if (column.kind === "cluster" || column.kind === "label") return { classes: true, scale: viridis, low: 0, high: 0, octaves: false };
  if (parameter && column.unit === "rad") {
    return { classes: false, scale: cyclic, low: parameter.minimum, high: parameter.maximum, octaves: false };
  }
  const [low, high] = range(values);
  const across = low < 0 && high > 0 && (parameter ? parameter.minimum < 0 : column.unit !== "LUFS");
  // Hz and seconds are perceived as ratios.
  const octaves = column.kind === "descriptor" && ["Hz", "s"].includes(column.unit) && low > 0 && high > 8 * low;
  if (!across) return { classes: false, scale: viridis, low, high, octaves };
  const reach = Math.max(-low, high);
  return { classes: false, scale: diverging, low: -reach, high: reach, octaves: false };
}

/** The 2nd and 98th percentile: a single extreme value would make all others one colour. @param {Float32Array} values */
function range(values) {
  const kept = values.filter(Number.isFinite).sort();
  if (!kept.length) return [0, 1];
  const low = kept[Math.floor(0.02 * (kept.length - 1))];
  const high = kept[Math.ceil(0.98 * (kept.length - 1))];
  return low < high ? [low, high] : [kept[0], kept[0] + 1];
}

/**
 * Colours of all points.
 * @param {Float32Array} values @param {ReturnType<typeof colouring>} how @param {Map<number, number>} classes by value
 * @returns {Uint8Array} RGBA
 */
export function paint(values, how, classes = new Map()) {
  const colours = new Uint8Array(4 * values.length);
  const { none } = palette();
  /** Colours of classes: a million points have a few. @type {Map<number, number[]>} */
  const known = new Map();
  const ofClass = (/** @type {number} */ value) => {
    let colour = known.get(value);
    if (!colour) known.set(value, (colour = classColour(classes.get(value) ?? value)));
    return colour;
  };
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    let colour = none;
    if (how.classes ? value >= 0 : Number.isFinite(value)) {
      colour = how.classes ? ofClass(value) : at(how.scale, how.octaves ? Math.log(Math.max(value, how.low) / how.low) / Math.log(how.high / how.low) : (value - how.low) / (how.high - how.low));
    }
    colours.set(colour, 4 * i);
    colours[4 * i + 3] = ALPHA;
  }
  return colours;
}
