/**
 * Colours of the map. Scales are perceptually uniform and hold for colour-blind eyes: viridis and magma (van der Walt
 * and Smith, CC0), and a diverging and a cyclic scale that are even by construction, straight and round in OKLab
 * (B. Ottosson, "A perceptual color space for image processing", 2020). Classes are Okabe and Ito's.
 */

const VIRIDIS =
  "440154471164482071472e7c443b843f48893a548c34608d2f6c8e2a768e26818e228b8d1f958b1fa08824aa832fb47c42be7158c76570cf578bd646a8db34c5e021e2e418fde725";
const MAGMA =
  "000004060518110c2f1e11492f1163420f7554137d651a807822818928819b2e7fad347cbf3a77d0416fe04c67ed5a5ff66e5cfb835ffd9869feac76fec185fed597fde9aafcfdbf";

/** Okabe and Ito's colours for classes, in an order that keeps neighbours apart; black would not show here. */
const CLASSES = ["e69f00", "56b4e9", "009e73", "f0e442", "cc79a7", "d55e00", "3f8fd2"];
export const NONE = [92, 101, 114];

const STEPS = 256;

/** @param {string} hex @returns {number[]} */
function rgb(hex) {
  return [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

/** @param {string} anchors hexadecimal colours in a row @param {number} from share of the scale that is left out */
function fromAnchors(anchors, from = 0) {
  const colours = /** @type {string[]} */ (anchors.match(/.{6}/g)).map(rgb);
  return table((share) => {
    const at = (from + share * (1 - from)) * (colours.length - 1);
    const low = Math.min(colours.length - 2, Math.floor(at));
    return colours[low].map((value, i) => value + (colours[low + 1][i] - value) * (at - low));
  });
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

/** @param {(share: number) => number[]} colour @returns {Uint8Array} `STEPS` times three */
function table(colour) {
  const values = new Uint8Array(3 * STEPS);
  for (let i = 0; i < STEPS; i++) values.set(colour(i / (STEPS - 1)).map(Math.round), 3 * i);
  return values;
}

/** Blue by white to orange, light in the middle, so that both ends stand out from a dark map. */
function diverging() {
  return table((share) => {
    const side = 2 * share - 1;
    const reach = Math.abs(side);
    const hue = ((side < 0 ? 250 : 60) * Math.PI) / 180;
    return fromOklab([0.93 - 0.31 * reach, 0.14 * reach * Math.cos(hue), 0.14 * reach * Math.sin(hue)]);
  });
}

/** Once around at one lightness and chroma: a phase has no lowest value. */
function cyclic() {
  return table((share) => {
    const hue = 2 * Math.PI * share;
    return fromOklab([0.72 + 0.1 * Math.cos(hue - 1.9), 0.11 * Math.cos(hue), 0.11 * Math.sin(hue)]);
  });
}

export const SCALES = {
  // Viridis begins too dark for a dark map; any part of it is as even as the whole.
  viridis: fromAnchors(VIRIDIS, 0.16),
  magma: fromAnchors(MAGMA),
  diverging: diverging(),
  cyclic: cyclic(),
};

/** Colours before they repeat: all of them, then paler, then darker. */
const ROUNDS = 3;

/**
 * Colours for clusters such that no two neighbours have the same: the largest choose first, and once all colours are
 * taken each takes the one whose others lie furthest away.
 * @param {{id: number, x: number, y: number, count: number}[]} clusters @returns {Map<number, number>} classes by cluster
 */
export function spreadClasses(clusters) {
  /** @type {Map<number, number>} */
  const chosen = new Map();
  const ordered = [...clusters].sort((a, b) => b.count - a.count);
  const colours = Array.from({ length: CLASSES.length * ROUNDS }, (_, i) => i);
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

/** @param {number} number of a class, 0 or above; later rounds through the colours are paler @returns {number[]} */
export function classColour(number) {
  const colour = rgb(CLASSES[number % CLASSES.length]);
  const round = Math.floor(number / CLASSES.length) % ROUNDS;
  return colour.map((value) => Math.round(round === 0 ? value : round === 1 ? value + (255 - value) * 0.55 : value * 0.62));
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
  if (column.kind === "cluster" || column.kind === "label") return { classes: true, scale: SCALES.viridis, low: 0, high: 0, octaves: false };
  if (parameter && column.unit === "rad") {
    return { classes: false, scale: SCALES.cyclic, low: parameter.minimum, high: parameter.maximum, octaves: false };
  }
  const [low, high] = range(values);
  const across = low < 0 && high > 0 && (parameter ? parameter.minimum < 0 : column.unit !== "LUFS");
  // What is measured in Hz or seconds is heard in ratios.
  const octaves = column.kind === "descriptor" && ["Hz", "s"].includes(column.unit) && low > 0 && high > 8 * low;
  if (!across) return { classes: false, scale: SCALES.viridis, low, high, octaves };
  const reach = Math.max(-low, high);
  return { classes: false, scale: SCALES.diverging, low: -reach, high: reach, octaves: false };
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
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    let colour = NONE;
    let alpha = 150;
    if (how.classes ? value >= 0 : Number.isFinite(value)) {
      colour = how.classes ? classColour(classes.get(value) ?? value) : at(how.scale, how.octaves ? Math.log(Math.max(value, how.low) / how.low) / Math.log(how.high / how.low) : (value - how.low) / (how.high - how.low));
      alpha = 235;
    }
    colours[4 * i] = colour[0];
    colours[4 * i + 1] = colour[1];
    colours[4 * i + 2] = colour[2];
    colours[4 * i + 3] = alpha;
  }
  return colours;
}
