/**
 * A link to a sound holds all of its parameter values (`v=`, float64 in base64, in the order of the session's
 * parameters; of recorded sounds the latent, `z=`, or the number of a point, `p=`), the hash of the run (`run=`) and the view that shows (`view=`), in the part of the address that browsers
 * do not send. So it gives the same samples wherever the run is served, whatever lies on the map there.
 */

/** @param {import("./sound.js").Sound} sound @param {any} session @param {string} view @returns {string | null} null while its values are not known */
export function toFragment(sound, session, view) {
  const head = `#run=${session.run.hash}&view=${view}`;
  if (session.can.originals && sound.spec.point !== undefined) return `${head}&p=${sound.spec.point}`;
  const values = sound.values;
  if (!values) return sound.latent && session.can.originals ? `${head}&z=${packed(Float64Array.from(sound.latent))}` : null;
  const numbers = Float64Array.from(session.parameters, (/** @type {any} */ parameter) => values[parameter.name]);
  return `${head}&v=${packed(numbers)}`;
}

/** @param {Float64Array} numbers @returns {string} for an address */
function packed(numbers) {
  return btoa(String.fromCharCode(...new Uint8Array(numbers.buffer))).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/**
 * @param {string} fragment @param {any} session
 * @returns {{spec: any, view: string | null, foreign: boolean} | null} null where it holds no sound of these parameters; `foreign` where
 *     it was made with another run
 */
export function fromFragment(fragment, session) {
  const fields = new URLSearchParams(fragment.replace(/^#/, ""));
  const recorded = session.can.originals;
  const foreign = fields.get("run") !== session.run.hash;
  const [view, point, text] = [fields.get("view"), fields.get("p"), fields.get(recorded ? "z" : "v")];
  if (recorded && foreign) return null; // its latents say nothing here
  if (recorded && point && Number(point) >= 0 && Number(point) < session.count) return { spec: { point: Number(point) }, view, foreign };
  if (!text) return null;
  try {
    const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
    const numbers = [...new Float64Array(bytes.buffer)];
    if (numbers.length !== (recorded ? session.run.latent_size : session.parameters.length) || !numbers.every(Number.isFinite)) return null;
    if (recorded) return { spec: { latent: numbers }, view, foreign };
    const values = Object.fromEntries(session.parameters.map((/** @type {any} */ parameter, /** @type {number} */ i) => [parameter.name, numbers[i]]));
    return { spec: { values }, view, foreign };
  } catch {
    return null;
  }
}
