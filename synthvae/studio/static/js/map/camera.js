/** Visible part of the map: a centre and one scale for both axes, so that distances are not distorted. */

export class Camera {
  constructor() {
    this.x = 0;
    this.y = 0;
    /** CSS pixels a unit of the map. */
    this.scale = 1;
    this.width = 1;
    this.height = 1;
    /** The scale at which everything fits; zoom is said relative to it. */
    this.home = 1;
  }

  /** @param {number} width @param {number} height in CSS pixels */
  resize(width, height) {
    this.width = Math.max(1, width);
    this.height = Math.max(1, height);
  }

  get zoom() {
    return this.scale / this.home;
  }

  /** @param {number} x @param {number} y of the map @returns {[number, number]} CSS pixels */
  toScreen(x, y) {
    return [(x - this.x) * this.scale + this.width / 2, this.height / 2 - (y - this.y) * this.scale];
  }

  /** @param {number} left @param {number} top CSS pixels @returns {[number, number]} of the map */
  toMap(left, top) {
    return [(left - this.width / 2) / this.scale + this.x, (this.height / 2 - top) / this.scale + this.y];
  }

  /**
   * The camera that shows a rectangle.
   * @param {number[]} bounds x0, y0, x1, y1 @param {number} margin share of the window that stays free
   * @returns {{x: number, y: number, scale: number}}
   */
  fitting([x0, y0, x1, y1], margin = 0.03) {
    const scale = Math.min(this.width / Math.max(x1 - x0, 1e-9), this.height / Math.max(y1 - y0, 1e-9)) * (1 - 2 * margin);
    return { x: (x0 + x1) / 2, y: (y0 + y1) / 2, scale };
  }

  /** @param {{x: number, y: number, scale: number}} state */
  set({ x, y, scale }) {
    this.x = x;
    this.y = y;
    this.scale = scale;
  }

  /** @param {number} across @param {number} down CSS pixels by which to pan */
  pan(across, down) {
    this.x -= across / this.scale;
    this.y += down / this.scale;
  }

  /** Zooms about a position of the window, which stays fixed. @param {number} factor @param {number} left @param {number} top */
  zoomAt(factor, left, top) {
    const [x, y] = this.toMap(left, top);
    this.scale = Math.min(this.home * 400, Math.max(this.home * 0.3, this.scale * factor));
    this.x = x - (left - this.width / 2) / this.scale;
    this.y = y - (this.height / 2 - top) / this.scale;
  }
}
