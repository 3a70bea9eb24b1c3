/** Views of the map as they come from the server, each fetched once. */

/**
 * @typedef {{view: string, count: number, bounds: number[], hull: number[][][], clusters: any[], clustersNamed: boolean, regions: boolean,
 *            positions: Float32Array,
 *            grid: {width: number, height: number, bounds: number[], confidence: Uint8Array},
 *            distances: {neighbour: number, snapped: number, between: number, random: number, unit: string}}} View
 */

export class Views {
  /** @param {import("../api.js").Api} api */
  constructor(api) {
    this.api = api;
    /** @type {Map<string, Promise<View>>} */
    this.asked = new Map();
  }

  /** @param {string} name @param {(progress: number, stage: string) => void} making @returns {Promise<View>} */
  get(name, making = () => {}) {
    let found = this.asked.get(name);
    if (!found) {
      found = this.#read(name, making);
      found.catch(() => this.asked.delete(name)); // so that it can be requested again
      this.asked.set(name, found);
    }
    return found;
  }

  /** @param {string} name @param {(progress: number, stage: string) => void} making */
  async #read(name, making) {
    const map = await this.api.map(name, making);
    const positions = await this.api.points(name);
    const bytes = atob(map.grid.confidence);
    const confidence = Uint8Array.from(bytes, (letter) => letter.charCodeAt(0));
    return {
      view: name,
      count: map.count,
      bounds: map.bounds,
      hull: map.hull.length && typeof map.hull[0][0] === "number" ? [map.hull] : map.hull,
      grid: { ...map.grid, confidence },
      clusters: [...map.clusters].sort((a, b) => b.count - a.count),
      clustersNamed: map.clusters_named,
      regions: map.clusters_by === "regions",
      distances: map.distances,
      positions,
    };
  }

  /** Asks for a view's clusters again, which are known later than its points. @param {string} name */
  async clusters(name) {
    const view = await this.get(name);
    const map = await this.api.map(name, () => {});
    view.clusters = [...map.clusters].sort((a, b) => b.count - a.count);
    view.clustersNamed = map.clusters_named;
    view.regions = map.clusters_by === "regions";
    return view;
  }
}
