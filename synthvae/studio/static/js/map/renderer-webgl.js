/**
 * Points and background with WebGL 2: one draw call for all points, positions of two views at once so that a change of
 * view is a number between 0 and 1, and a background that is drawn like a chart of depths from the grid of confidence.
 */

const POINTS = `#version 300 es
layout(location = 0) in vec2 before;
layout(location = 1) in vec2 after;
layout(location = 2) in vec4 colour;
layout(location = 3) in float state;
uniform float blend, radius, ratio, top;
uniform vec2 centre, scale;
uniform vec3 faded;
out vec4 tint;
out float size;
void main() {
  bool raised = state > 1.5;
  if (raised != (top > 0.5)) { gl_Position = vec4(2.0, 2.0, 0.0, 1.0); gl_PointSize = 0.0; return; }
  vec2 place = (mix(before, after, blend) - centre) * scale;
  gl_Position = vec4(place, 0.0, 1.0);
  size = (radius * (raised ? 1.5 : 1.0) + 0.75) * ratio;
  gl_PointSize = 2.0 * size;
  tint = state > 0.5 && !raised ? vec4(mix(colour.rgb, faded, 0.75), colour.a * 0.7) : colour;
  if (raised) tint.a = 1.0;
}`;

const DOT = `#version 300 es
precision highp float;
in vec4 tint;
in float size;
out vec4 result;
void main() {
  float far = length(gl_PointCoord - 0.5) * 2.0 * size;
  float alpha = tint.a * clamp(size - far, 0.0, 1.0);
  if (alpha <= 0.0) discard;
  result = vec4(tint.rgb * alpha, alpha);
}`;

const SHEET = `#version 300 es
layout(location = 0) in vec2 corner;
out vec2 clip;
void main() { clip = corner; gl_Position = vec4(corner, 0.0, 1.0); }`;

// The grid is read as a B-spline: lines of equal confidence through a bilinear one would have the grid's corners.
const DEPTH = `#version 300 es
precision highp float;
in vec2 clip;
out vec4 result;
uniform sampler2D grid;
uniform vec2 centre, scale, size;
uniform vec4 bounds;
uniform float fade;
uniform vec3 ground, raised, contour;
float spline(vec2 at) {
  vec2 pixel = at * size - 0.5, whole = floor(pixel), f = pixel - whole;
  vec2 w0 = (1.0 - f) * (1.0 - f) * (1.0 - f) / 6.0, w3 = f * f * f / 6.0;
  vec2 w1 = (4.0 - 6.0 * f * f + 3.0 * f * f * f) / 6.0, w2 = 1.0 - w0 - w1 - w3;
  vec2 g0 = w0 + w1, g1 = w2 + w3;
  vec2 p0 = (whole - 0.5 + w1 / g0) / size, p1 = (whole + 1.5 + w3 / g1) / size;
  vec4 taps = vec4(texture(grid, p0).r, texture(grid, vec2(p1.x, p0.y)).r,
                   texture(grid, vec2(p0.x, p1.y)).r, texture(grid, p1).r);
  return g0.y * (g0.x * taps.x + g1.x * taps.y) + g1.y * (g0.x * taps.z + g1.x * taps.w);
}
void main() {
  vec2 place = clip / scale + centre;
  vec2 at = (place - bounds.xy) / (bounds.zw - bounds.xy);
  vec2 outside = max(max(-at, at - 1.0), 0.0);
  float trust = spline(at) * smoothstep(0.06, 0.0, length(outside)) * fade;
  float level = trust * 7.0;
  float width = fwidth(level);
  float near = abs(fract(level - 0.5) - 0.5);
  float level_line = (1.0 - smoothstep(0.0, 1.3 * width, near)) * step(0.35, level) * smoothstep(0.7, 0.15, width)
      * smoothstep(0.002, 0.012, width);  // level ground has no lines
  vec3 colour = mix(ground, raised, trust);
  result = vec4(mix(colour, contour, level_line * 0.5), 1.0);
}`;

/** @param {WebGL2RenderingContext} gl @param {string} vertex @param {string} fragment */
function program(gl, vertex, fragment) {
  const made = /** @type {WebGLProgram} */ (gl.createProgram());
  for (const [kind, source] of /** @type {[number, string][]} */ ([[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]])) {
    const shader = /** @type {WebGLShader} */ (gl.createShader(kind));
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader) ?? "shader");
    gl.attachShader(made, shader);
  }
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(made) ?? "program");
  return made;
}

/** @param {number[]} colour 0 to 255 */
const shares = (colour) => colour.map((value) => value / 255);

export class WebglRenderer {
  /** @param {HTMLCanvasElement} canvas @param {import("../palette.js").Palette} palette */
  constructor(canvas, palette) {
    const gl = canvas.getContext("webgl2", { alpha: false, antialias: false, depth: false, powerPreference: "high-performance" });
    if (!gl) throw new Error("no WebGL 2");
    this.kind = "webgl";
    this.canvas = canvas;
    this.gl = gl;
    this.palette = palette;
    this.count = 0;
    this.raised = false;
    this.points = program(gl, POINTS, DOT);
    this.sheet = program(gl, SHEET, DEPTH);
    /** @type {Map<string, WebGLUniformLocation | null>} */
    this.places = new Map();
    this.array = gl.createVertexArray();
    this.buffers = { before: gl.createBuffer(), after: gl.createBuffer(), colour: gl.createBuffer(), state: gl.createBuffer() };
    gl.bindVertexArray(this.array);
    this.#attribute(this.buffers.before, 0, 2, gl.FLOAT, false);
    this.#attribute(this.buffers.after, 1, 2, gl.FLOAT, false);
    this.#attribute(this.buffers.colour, 2, 4, gl.UNSIGNED_BYTE, true);
    this.#attribute(this.buffers.state, 3, 1, gl.UNSIGNED_BYTE, false);
    this.sheetArray = gl.createVertexArray();
    gl.bindVertexArray(this.sheetArray);
    const corners = gl.createBuffer();
    this.#attribute(corners, 0, 2, gl.FLOAT, false);
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-1, -1, 3, -1, -1, 3]), gl.STATIC_DRAW);
    this.texture = gl.createTexture();
    this.grid = { width: 1, height: 1, bounds: [0, 0, 1, 1] };
    this.setGrid(null);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  }

  /** @param {WebGLBuffer | null} buffer @param {number} index @param {number} size @param {number} type @param {boolean} normalised */
  #attribute(buffer, index, size, type, normalised) {
    const gl = this.gl;
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.enableVertexAttribArray(index);
    gl.vertexAttribPointer(index, size, type, normalised, 0, 0);
  }

  /** @param {WebGLBuffer | null} buffer @param {ArrayBufferView} data */
  #upload(buffer, data) {
    this.gl.bindBuffer(this.gl.ARRAY_BUFFER, buffer);
    this.gl.bufferData(this.gl.ARRAY_BUFFER, data, this.gl.STATIC_DRAW);
  }

  /** @param {import("../palette.js").Palette} palette of another theme; the colours of the points stay */
  setPalette(palette) {
    this.palette = palette;
  }

  /** @param {Float32Array} before @param {Float32Array} after of the same points */
  setPoints(before, after) {
    this.count = after.length / 2;
    this.#upload(this.buffers.before, before);
    this.#upload(this.buffers.after, after);
  }

  /** @param {Uint8Array} colours RGBA a point */
  setColours(colours) {
    this.#upload(this.buffers.colour, colours);
  }

  /** @param {Uint8Array} states 0 plain, 1 faded, 2 raised above the others */
  setStates(states) {
    this.raised = states.includes(2);
    this.#upload(this.buffers.state, states);
  }

  /** @param {{width: number, height: number, bounds: number[], confidence: Uint8Array} | null} grid */
  setGrid(grid) {
    const gl = this.gl;
    this.grid = grid ?? { width: 1, height: 1, bounds: [0, 0, 1, 1] };
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    const { width, height } = this.grid;
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.R8, width, height, 0, gl.RED, gl.UNSIGNED_BYTE, grid ? grid.confidence : new Uint8Array(1));
    for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, side, gl.CLAMP_TO_EDGE);
    for (const size of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, size, gl.LINEAR);
  }

  /** @param {WebGLProgram} of @param {string} name */
  #place(of, name) {
    const key = (of === this.points ? "p:" : "s:") + name;
    if (!this.places.has(key)) this.places.set(key, this.gl.getUniformLocation(of, name));
    return this.places.get(key) ?? null;
  }

  /**
   * @param {import("./camera.js").Camera} camera
   * @param {{blend: number, radius: number, fade: number, ratio: number}} how
   */
  draw(camera, { blend, radius, fade, ratio }) {
    const gl = this.gl;
    const [width, height] = [Math.round(camera.width * ratio), Math.round(camera.height * ratio)];
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    gl.viewport(0, 0, width, height);
    const scale = [(2 * camera.scale) / camera.width, (2 * camera.scale) / camera.height];
    gl.useProgram(this.sheet);
    gl.bindVertexArray(this.sheetArray);
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    gl.uniform2f(this.#place(this.sheet, "centre"), camera.x, camera.y);
    gl.uniform2f(this.#place(this.sheet, "scale"), scale[0], scale[1]);
    gl.uniform2f(this.#place(this.sheet, "size"), this.grid.width, this.grid.height);
    gl.uniform4fv(this.#place(this.sheet, "bounds"), this.grid.bounds);
    gl.uniform1f(this.#place(this.sheet, "fade"), fade);
    for (const name of /** @type {const} */ (["ground", "raised", "contour"])) gl.uniform3fv(this.#place(this.sheet, name), shares(this.palette[name]));
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    if (!this.count) return;
    gl.useProgram(this.points);
    gl.bindVertexArray(this.array);
    gl.uniform2f(this.#place(this.points, "centre"), camera.x, camera.y);
    gl.uniform2f(this.#place(this.points, "scale"), scale[0], scale[1]);
    gl.uniform3fv(this.#place(this.points, "faded"), shares(this.palette.faded));
    gl.uniform1f(this.#place(this.points, "blend"), blend);
    gl.uniform1f(this.#place(this.points, "radius"), radius);
    gl.uniform1f(this.#place(this.points, "ratio"), ratio);
    for (const top of this.raised ? [0, 1] : [0]) {
      gl.uniform1f(this.#place(this.points, "top"), top);
      gl.drawArrays(gl.POINTS, 0, this.count);
    }
  }

  /** Waits until everything is drawn. */
  finish() {
    this.gl.readPixels(0, 0, 1, 1, this.gl.RGBA, this.gl.UNSIGNED_BYTE, new Uint8Array(4));
  }
}
