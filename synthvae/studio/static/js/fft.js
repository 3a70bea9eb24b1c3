/** A small Fourier transform: radix 2, in place, tables made once a size. */

export class FFT {
  /** @param {number} size a power of two */
  constructor(size) {
    this.size = size;
    this.cosine = new Float32Array(size / 2);
    this.sine = new Float32Array(size / 2);
    for (let i = 0; i < size / 2; i++) {
      this.cosine[i] = Math.cos((2 * Math.PI * i) / size);
      this.sine[i] = -Math.sin((2 * Math.PI * i) / size);
    }
    this.reversed = new Uint32Array(size);
    for (let i = 0, j = 0; i < size; i++) {
      this.reversed[i] = j;
      let bit = size >> 1;
      for (; j & bit; bit >>= 1) j ^= bit;
      j ^= bit;
    }
    this.real = new Float32Array(size);
    this.imaginary = new Float32Array(size);
  }

  /**
   * Power of a real frame.
   * @param {Float32Array} frame `size` samples, windowed
   * @param {Float32Array} power receives size/2 + 1 values
   */
  power(frame, power) {
    const { size, real, imaginary, reversed, cosine, sine } = this;
    for (let i = 0; i < size; i++) {
      real[i] = frame[reversed[i]];
      imaginary[i] = 0;
    }
    for (let half = 1; half < size; half *= 2) {
      const stride = size / (2 * half);
      for (let start = 0; start < size; start += 2 * half) {
        for (let k = 0; k < half; k++) {
          const low = start + k;
          const high = low + half;
          const c = cosine[k * stride];
          const s = sine[k * stride];
          const re = real[high] * c - imaginary[high] * s;
          const im = real[high] * s + imaginary[high] * c;
          real[high] = real[low] - re;
          imaginary[high] = imaginary[low] - im;
          real[low] += re;
          imaginary[low] += im;
        }
      }
    }
    for (let i = 0; i <= size / 2; i++) power[i] = real[i] * real[i] + imaginary[i] * imaginary[i];
  }
}
