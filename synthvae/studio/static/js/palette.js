/**
 * Colours of the page's theme as the map and the displays draw them: read from the custom properties of css/base.css, so
 * that a theme is defined in one place. They are read again when the theme changes.
 *
 * @typedef {number[]} Rgb 0 to 255
 * @typedef {{played: string, kept: string, match: string, plus: string, minus: string, import: string, vary: string, b: string}} MarkColours
 * @typedef {{light: boolean, ground: Rgb, raised: Rgb, contour: Rgb, faded: Rgb, none: Rgb, classes: Rgb[], ink: string, soft: string,
 *            halo: string, outline: string, cursor: string, core: string, select: string, selectFill: string, planeVeil: string,
 *            planeGround: string, planeLine: string, wave: string, marks: MarkColours}} Palette
 */

/** Classes that have a colour of their own. */
const CLASSES = 7;

/** @type {Palette | null} */
let current = null;
/** @type {((palette: Palette) => void)[]} */
const listeners = [];

/** @param {string} hex six digits after # @returns {Rgb} */
function rgb(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

/** @returns {Palette} */
function read() {
  const style = getComputedStyle(document.documentElement);
  const text = (/** @type {string} */ name) => style.getPropertyValue(`--${name}`).trim();
  const numbers = (/** @type {string} */ name) => rgb(text(name));
  return {
    light: document.documentElement.dataset.theme === "light",
    ground: numbers("map-ground"), raised: numbers("map-raised"), contour: numbers("map-contour"),
    faded: numbers("map-faded"), none: numbers("map-none"),
    classes: Array.from({ length: CLASSES }, (_, i) => numbers(`class-${i}`)),
    ink: text("map-ink"), soft: text("map-soft"), halo: text("map-halo"), outline: text("map-outline"),
    cursor: text("map-cursor"), core: text("map-core"), select: text("map-select"), selectFill: text("map-select-fill"),
    planeVeil: text("plane-veil"), planeGround: text("plane-ground"), planeLine: text("plane-line"),
    wave: text("scope-wave"),
    marks: {
      played: text("mark-played"), kept: text("mark-kept"), match: text("mark-match"), plus: text("mark-plus"),
      minus: text("mark-minus"), import: text("mark-import"), vary: text("map-cursor"), b: text("mark-b"),
    },
  };
}

/** Colours of the current theme. @returns {Palette} */
export function palette() {
  return (current ??= read());
}

/** Reads the colours again after a change of theme, and calls all listeners. */
export function refreshPalette() {
  current = read();
  for (const listener of listeners) listener(current);
}

/** @param {(palette: Palette) => void} listener called after every change of theme */
export function onPalette(listener) {
  listeners.push(listener);
}
