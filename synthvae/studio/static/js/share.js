/**
 * A link to a sound holds all of its parameter values (`v=`, float64 in base64, in the order of the session's
 * parameters), the hash of the run (`run=`) and the view that shows (`view=`), in the part of the address that browsers
 * do not send. So it gives the same samples wherever the run is served, whatever lies on the map there.
 */

/** @param {import("./sound.js").Sound} sound @param {any} session @param {string} view @returns {string | null} null while its values are not known */
export function toFragment(sound, session, view) {
  const values = sound.values;
  if (!values) return null;
  const numbers = Float64Array.from(session.parameters, (/** @type {any} */ parameter) => values[parameter.name]);
  const text = btoa(String.fromCharCode(...new Uint8Array(numbers.buffer)));
  return `#run=${session.run.hash}&view=${view}&v=${text.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "")}`;
}

/**
 * @param {string} fragment @param {any} session
 * @returns {{spec: any, view: string | null, foreign: boolean} | null} null where it holds no sound of these parameters; `foreign` where
 *     it was made with another run
 */
export function fromFragment(fragment, session) {
  const fields = new URLSearchParams(fragment.replace(/^#/, ""));
  const packed = fields.get("v");
  if (!packed) return null;
  try {
    const bytes = Uint8Array.from(atob(packed.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
    const numbers = [...new Float64Array(bytes.buffer)];
    if (numbers.length !== session.parameters.length || !numbers.every(Number.isFinite)) return null;
    const values = Object.fromEntries(session.parameters.map((/** @type {any} */ parameter, /** @type {number} */ i) => [parameter.name, numbers[i]]));
    return { spec: { values }, view: fields.get("view"), foreign: fields.get("run") !== session.run.hash };
  } catch {
    return null;
  }
}
