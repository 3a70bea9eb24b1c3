/**
 * A link to a sound holds the sound and nothing else: a place (`#view=umap&x=…&y=…`) or a latent (`#z=` and its float32
 * numbers in base64), in the part of the address that browsers do not send.
 */

/** @param {import("./sound.js").Sound} sound @returns {string | null} null while nothing is known that lasts */
export function toFragment(sound) {
  if (sound.spec.place) {
    const { view, x, y } = sound.spec.place;
    return `#view=${view}&x=${Number(x.toPrecision(6))}&y=${Number(y.toPrecision(6))}`;
  }
  const latent = sound.spec.latent ?? sound.latent;
  if (!latent) return null;
  const bytes = new Uint8Array(Float32Array.from(latent).buffer);
  return `#z=${btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "")}`;
}

/** @param {string} fragment @param {number} size of a latent @returns {any} a spec, or null where it holds none */
export function fromFragment(fragment, size) {
  const fields = new URLSearchParams(fragment.replace(/^#/, ""));
  const packed = fields.get("z");
  if (packed) {
    try {
      const bytes = Uint8Array.from(atob(packed.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
      const latent = [...new Float32Array(bytes.buffer)];
      if (latent.length === size && latent.every(Number.isFinite)) return { latent };
    } catch {
      return null;
    }
    return null;
  }
  const [view, x, y] = [fields.get("view"), Number(fields.get("x") ?? NaN), Number(fields.get("y") ?? NaN)];
  return view && Number.isFinite(x) && Number.isFinite(y) ? { place: { view, x, y } } : null;
}
