/** Formatting of numbers and units. */

const NOTES = ["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"];

/** @param {number} midi @returns {string} the nearest note: A4 of 69. */
export function noteName(midi) {
  const key = Math.round(midi);
  return `${NOTES[((key % 12) + 12) % 12]}${Math.floor(key / 12) - 1}`;
}

/** @param {number} value @param {number} digits significant ones @returns {string} without exponent or trailing zeros */
export function plain(value, digits = 3) {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const places = Math.min(4, Math.max(0, digits - 1 - Math.floor(Math.log10(Math.abs(value)))));
  const text = value.toFixed(places);
  const short = text.includes(".") ? text.replace(/\.?0+$/, "") : text;
  return (short === "-0" ? "0" : short).replace("-", "−");
}

/**
 * A value with its unit.
 * @param {number | null | undefined} value
 * @param {string} unit as the server calls it.
 */
export function withUnit(value, unit) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "none";
  switch (unit) {
    case "s":
      return Math.abs(value) < 1 ? `${plain(value * 1000, value < 0.01 ? 2 : 3)} ms` : `${plain(value)} s`;
    case "Hz":
      return Math.abs(value) >= 1000 ? `${plain(value / 1000)} kHz` : `${plain(value)} Hz`;
    case "MIDI":
      return `${noteName(value)} (${plain(value)})`;
    case "semitones":
      return `${plain(value)} semitones`;
    case "":
      return plain(value, 2);
    default:
      return `${plain(value)} ${unit}`;
  }
}

/** What stands behind a number field: as short as a unit can be. */
export const SHORT_UNITS = /** @type {Record<string, string>} */ ({ semitones: "st", MIDI: "key", "": "" });

/** A file's name of what a sound is called. @param {string} name */
export function slug(name) {
  return name.normalize("NFKD").replace(/[^\w-]+/g, "-").replace(/^-+|-+$/g, "").toLowerCase().slice(0, 60) || "sound";
}

/** @param {number} count @param {string} one @param {string} [many] */
export function counted(count, one, many = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

/** The text of a number field, or NaN. Takes both minus signs and a decimal comma. @param {string} text */
export function parseNumber(text) {
  const match = /^\s*([-−+]?\d*[.,]?\d+(?:e[-+]?\d+)?)/i.exec(text);
  return match ? Number(match[1].replace("−", "-").replace(",", ".")) : NaN;
}
