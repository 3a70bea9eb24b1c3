import { writeWav } from "./wav.js";

/** Client of the server's API, `/api/v1`: one function per route. The only module with addresses. */

/** An error response: `message` is one line that says what to change. */
export class ApiError extends Error {
  /** @param {string} message @param {number} status 0 where nothing answered */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** Polling interval in milliseconds for results that are being computed. */
const WAIT = 500;

/** @typedef {{point: number} | {decoded: number} | {place: {view: string, x: number, y: number, between?: boolean}} | {latent: number[]} | {values: Record<string, number>} | {bank: number}} Spec */

/**
 * The token of the page's address. It leaves the address at once, so that no copied address carries it; the tab
 * keeps it, or a reload would lock its owner out.
 * @returns {string | null}
 */
export function takeToken() {
  const address = new URL(window.location.href);
  const given = address.searchParams.get("token");
  try {
    if (given) sessionStorage.setItem("synthvae.token", given);
    if (given) {
      address.searchParams.delete("token");
      history.replaceState(null, "", address);
    }
    return given ?? sessionStorage.getItem("synthvae.token");
  } catch {
    return given; // storage is forbidden here: the token lives as long as the page
  }
}

/** Bytes of a recording above which only the part that is used is sent. */
const LARGE = 4_000_000;
/** Seconds that are sent of a longer recording, more than any search uses. */
const SENT = 10;

/** A recording, cut to its first seconds of sound where it is large and the browser can read it. @param {Blob} file @returns {Promise<Blob>} */
async function shortened(file) {
  if (file.size <= LARGE) return file;
  try {
    const context = new OfflineAudioContext(1, 1, 44100);
    const sound = await context.decodeAudioData(await file.arrayBuffer());
    const channels = Array.from({ length: sound.numberOfChannels }, (_, i) => sound.getChannelData(i));
    let peak = 0;
    for (const channel of channels) for (const value of channel) peak = Math.max(peak, Math.abs(value));
    let first = 0;
    while (first < sound.length && channels.every((channel) => Math.abs(channel[first]) < peak / 1000)) first++;
    return writeWav(channels.map((channel) => channel.subarray(first, first + SENT * sound.sampleRate)), sound.sampleRate);
  } catch {
    return file; // the server may read what the browser cannot
  }
}

export class Api {
  /** @param {string | null} token */
  constructor(token) {
    this.base = new URL("/api/v1", window.location.origin).href;
    this.token = token;
    /** Whether the server did not answer last time, and who wants to know that it does again. */
    this.lost = false;
    /** @type {() => void} */
    this.recovered = () => {};
  }

  /**
   * @param {string} method @param {string} path below the base @param {{json?: any, body?: any, type?: string, signal?: AbortSignal}} options
   * @returns {Promise<Response>} an answer with a status below 400
   */
  async request(method, path, { json, body, type, signal } = {}) {
    /** @type {Record<string, string>} */
    const headers = {};
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    if (json !== undefined) headers["Content-Type"] = "application/json";
    else if (type) headers["Content-Type"] = type;
    let response;
    try {
      response = await fetch(this.base + path, { method, headers, body: json === undefined ? body : JSON.stringify(json), signal });
    } catch (error) {
      if (signal?.aborted) throw error;
      this.lost = true;
      throw new ApiError("The server does not answer; is synthvae explore still running?", 0);
    }
    if (this.lost) this.recovered();
    this.lost = false;
    if (response.ok) return response;
    let message = `${response.status} ${response.statusText}`;
    try {
      const answer = await response.json();
      if (typeof answer.error === "string") message = answer.error;
      else if (typeof answer.detail === "string") message = answer.detail;
    } catch {
      // no JSON: the status has to do
    }
    if (response.status === 401) message = "This server requires a token; open the address that synthvae explore printed.";
    throw new ApiError(message, response.status);
  }

  /** @param {string} method @param {string} path @param {any} [json] @returns {Promise<any>} */
  async json(method, path, json) {
    const response = await this.request(method, path, { json });
    return response.status === 204 ? null : response.json();
  }

  session() {
    return this.json("GET", "/session");
  }

  /**
   * A view of the map; waits while it is made.
   * @param {string} view @param {(progress: number, stage: string) => void} making
   */
  async map(view, making) {
    for (;;) {
      const response = await this.request("GET", `/maps/${encodeURIComponent(view)}`);
      const answer = await response.json();
      if (response.status !== 202) return answer;
      making(answer.progress ?? 0, answer.stage ?? "");
      await new Promise((done) => setTimeout(done, WAIT));
    }
  }

  /** Spectrograms of a grid of positions. @param {string} view @param {Record<string, number>} where its sides and how many cells are along each */
  grid(view, where) {
    const query = new URLSearchParams(Object.entries(where).map(([name, value]) => [name, String(value)]));
    return this.json("GET", `/maps/${encodeURIComponent(view)}/grid?${query}`);
  }

  /** @param {string} view @returns {Promise<Float32Array>} x and y of every point */
  async points(view) {
    return /** @type {Promise<Float32Array>} */ (this.#floats(`/maps/${encodeURIComponent(view)}/points`));
  }

  /**
   * A column of numbers; waits while it is measured.
   * @param {string} name @param {(progress: number, stage: string) => void} [making] @param {() => boolean} [wanted] false ends the wait
   * @returns {Promise<Float32Array | null>} NaN where there is no value; null if it was not wanted any more
   */
  async column(name, making = () => {}, wanted = () => true) {
    return this.#floats(`/columns/${encodeURIComponent(name)}`, making, wanted);
  }

  /** @param {string} path @param {(progress: number, stage: string) => void} making @param {() => boolean} wanted */
  async #floats(path, making = () => {}, wanted = () => true) {
    for (;;) {
      const response = await this.request("GET", path);
      // The API and every browser's machine are little-endian.
      if (response.status !== 202) return new Float32Array(await response.arrayBuffer());
      const answer = await response.json();
      making(answer.progress ?? 0, answer.stage ?? "");
      if (wanted()) await new Promise((done) => setTimeout(done, WAIT));
      if (!wanted()) return null;
    }
  }

  /** @returns {Promise<{left_out: number[], reasons: Record<string, number>, complete: boolean}>} */
  playable() {
    return this.json("GET", "/playable");
  }

  marks() {
    return this.json("GET", "/marks");
  }

  /** @param {number[]} points @param {string} kind @param {boolean} on */
  mark(points, kind, on) {
    return this.json("POST", "/marks", { points, kind, on });
  }

  /** @param {number} distance in dB */
  duplicates(distance) {
    return this.json("GET", `/duplicates?distance=${distance}`);
  }

  /** @param {any} wanted */
  rank(wanted) {
    return this.json("POST", "/rank", wanted);
  }

  /** @param {{text?: string, tag?: string}} query */
  search(query) {
    return this.json("GET", `/search?${new URLSearchParams(query)}`);
  }

  /** Renders a sound, with low latency. @param {any} spec @param {{note?: number, hold?: number}} how @param {AbortSignal} [signal] */
  async render(spec, how = {}, signal) {
    const response = await this.request("POST", "/render", { json: { spec, format: "float", ...how }, signal });
    const place = response.headers.get("X-Place");
    const inside = response.headers.get("X-Inside");
    const confidence = response.headers.get("X-Confidence");
    return {
      bytes: await response.arrayBuffer(),
      place: place ? place.split(",").map(Number) : null,
      gain: Number(response.headers.get("X-Gain") ?? 1),
      point: response.headers.get("X-Point") ? Number(response.headers.get("X-Point")) : null,
      inside: inside === null ? null : inside === "1",
      confidence: confidence === null ? null : Number(confidence),
    };
  }

  /** @param {any} spec @param {string} [view] */
  sounds(spec, view) {
    return this.json("POST", "/sounds", view ? { spec, view } : { spec });
  }

  /** @param {any} path */
  path(path) {
    return this.json("POST", "/paths", path);
  }

  /** @param {any} path */
  async pathAudio(path) {
    return (await this.request("POST", "/paths/audio", { json: path })).arrayBuffer();
  }

  /** @param {any} path */
  async pathPresets(path) {
    return (await this.request("POST", "/paths/presets", { json: path })).blob();
  }

  /** @param {any} spec @param {any} options */
  vary(spec, options) {
    return this.json("POST", "/vary", { spec, ...options });
  }

  /** The local plane around a sound. @param {any} spec */
  plane(spec) {
    return this.json("POST", "/plane", { spec });
  }

  /** @param {any[]} specs @param {number[]} weights @param {any} [base] */
  blend(specs, weights, base) {
    return this.json("POST", "/blend", base ? { specs, weights, base } : { specs, weights });
  }

  /** Several sounds as a ZIP. @param {{spec: any, name?: string}[]} sounds @param {string} name @param {boolean} [kit] */
  async library(sounds, name, kit = false) {
    return (await this.request("POST", "/library", { json: { sounds, name, kit } })).blob();
  }

  /** @param {any} spec @param {string} to @param {string} name */
  async export(spec, to, name) {
    const response = await this.request("POST", "/export", { json: { spec, to, name } });
    const said = /filename="?([^";]+)"?/.exec(response.headers.get("Content-Disposition") ?? "");
    return { blob: await response.blob(), name: said ? said[1] : null };
  }

  bank() {
    return this.json("GET", "/bank").then((answer) => answer.entries);
  }

  bankTags() {
    return this.json("GET", "/bank/tags");
  }

  /** @param {any} spec @param {string} name @param {string[]} tags */
  keep(spec, name, tags) {
    return this.json("POST", "/bank", { spec, name, tags });
  }

  /** @param {number} id @param {any} change */
  change(id, change) {
    return this.json("PATCH", `/bank/${id}`, change);
  }

  /** @param {number} id */
  remove(id) {
    return this.json("DELETE", `/bank/${id}`);
  }

  /** @param {number} id @returns {Promise<Blob>} a PNG */
  async thumbnail(id) {
    return (await this.request("GET", `/bank/${id}/thumbnail`)).blob();
  }

  /** @param {Blob} file @param {string} name @param {number} seconds */
  async match(file, name, seconds) {
    const query = new URLSearchParams({ name, seconds: String(seconds) });
    return (await this.request("POST", `/match?${query}`, { body: await shortened(file), type: "audio/wav" })).json();
  }

  /** @param {string} job */
  job(job) {
    return this.json("GET", `/jobs/${encodeURIComponent(job)}`);
  }

  /** @param {string} job */
  stopJob(job) {
    return this.json("DELETE", `/jobs/${encodeURIComponent(job)}`);
  }

  /**
   * States of a job until it ends. Read with fetch, since an EventSource cannot send the token's header.
   * @param {string} job @param {AbortSignal} [signal]
   * @returns {AsyncGenerator<any>}
   */
  async *jobEvents(job, signal) {
    const response = await this.request("GET", `/jobs/${encodeURIComponent(job)}/events`, { signal });
    const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
    const decoder = new TextDecoder();
    let text = "";
    for (;;) {
      const { done, value } = await reader.read();
      text += decoder.decode(value, { stream: !done });
      const events = text.split(/\r?\n\r?\n/);
      text = events.pop() ?? "";
      for (const event of events) {
        const data = event
          .split(/\r?\n/)
          .filter((line) => line.startsWith("data:"))
          .map((line) => line.slice(5).trim())
          .join("\n");
        if (data) yield JSON.parse(data);
      }
      if (done) return;
    }
  }

  /** @param {Blob} file @param {string} name @param {string} label */
  async import(file, name, label) {
    const query = new URLSearchParams({ name, label });
    return (await this.request("POST", `/import?${query}`, { body: await shortened(file), type: "audio/wav" })).json();
  }

  imports() {
    return this.json("GET", "/imports");
  }

  clearImports() {
    return this.json("DELETE", "/imports");
  }
}
