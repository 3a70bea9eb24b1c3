/**
 * Reads WAV files without the browser's decoder, which runs asynchronously and adds milliseconds to the latency from
 * input to sound.
 */

/**
 * @param {ArrayBuffer} bytes
 * @returns {{rate: number, channels: Float32Array<ArrayBuffer>[]} | null} null where the format is none of 16-, 24- and 32-bit
 *     whole numbers and 32-bit floats
 */
export function readWav(bytes) {
  const view = new DataView(bytes);
  const tag = (/** @type {number} */ at) => String.fromCharCode(...new Uint8Array(bytes, at, 4));
  if (bytes.byteLength < 44 || tag(0) !== "RIFF" || tag(8) !== "WAVE") return null;
  let format = 0;
  let count = 0;
  let rate = 0;
  let bits = 0;
  for (let at = 12; at + 8 <= bytes.byteLength; ) {
    const kind = tag(at);
    const size = view.getUint32(at + 4, true);
    const start = at + 8;
    if (kind === "fmt ") {
      format = view.getUint16(start, true);
      count = view.getUint16(start + 2, true);
      rate = view.getUint32(start + 4, true);
      bits = view.getUint16(start + 14, true);
      if (format === 0xfffe) format = view.getUint16(start + 24, true); // extensible: the real one comes later
    } else if (kind === "data") {
      const length = Math.min(size, bytes.byteLength - start);
      return count ? samples(view, start, length, format, bits, count, rate) : null;
    }
    at = start + size + (size % 2);
  }
  return null;
}

/**
 * @param {DataView} view @param {number} start @param {number} length in bytes
 * @param {number} format @param {number} bits @param {number} count of channels @param {number} rate
 */
function samples(view, start, length, format, bits, count, rate) {
  const step = bits / 8;
  /** @type {(at: number) => number} */
  let read;
  if (format === 3 && bits === 32) read = (at) => view.getFloat32(at, true);
  else if (format === 1 && bits === 16) read = (at) => view.getInt16(at, true) / 32768;
  else if (format === 1 && bits === 24) read = (at) => ((view.getUint16(at, true) | (view.getInt8(at + 2) << 16)) / 8388608);
  else if (format === 1 && bits === 32) read = (at) => view.getInt32(at, true) / 2147483648;
  else return null;
  const frames = Math.floor(length / (step * count));
  const channels = Array.from({ length: count }, () => new Float32Array(frames));
  if (format === 3 && count === 1 && start % 4 === 0) {
    channels[0].set(new Float32Array(view.buffer, start, frames));
    return { rate, channels };
  }
  for (let frame = 0, at = start; frame < frames; frame++) {
    for (let channel = 0; channel < count; channel++, at += step) channels[channel][frame] = read(at);
  }
  return { rate, channels };
}

/** A WAV file of 16 bits. @param {Float32Array[]} channels @param {number} rate in Hz @returns {Blob} */
export function writeWav(channels, rate) {
  const count = channels[0]?.length ?? 0;
  const bytes = 2 * count * channels.length;
  const view = new DataView(new ArrayBuffer(44 + bytes));
  const text = (/** @type {number} */ at, /** @type {string} */ word) => [...word].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + bytes, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, channels.length, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate * channels.length, true);
  view.setUint16(32, 2 * channels.length, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, bytes, true);
  for (let i = 0; i < count; i++) {
    for (let channel = 0; channel < channels.length; channel++) {
      const value = Math.max(-1, Math.min(1, channels[channel][i]));
      view.setInt16(44 + 2 * (i * channels.length + channel), Math.round(value * 32767), true);
    }
  }
  return new Blob([view.buffer], { type: "audio/wav" });
}
