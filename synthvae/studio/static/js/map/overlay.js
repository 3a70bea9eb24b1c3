/**
 * The thin layer above the points: outline, names, the cursor, paths, marks. A few dozen shapes, so a plain canvas does.
 *
 * @typedef {{place: number[], text?: string, kind: "played" | "kept" | "match" | "plus" | "minus" | "import" | "vary" | "b", colour?: string}} Mark
 */
import { palette } from "../palette.js";
import { along } from "./selection.js";

/** Colours of the theme, as of the frame that is being drawn. */
let colours = palette();

/** Map height in CSS pixels below which the layout for phones in landscape is used. */
const LOW = 360;
/** Height of the local plane below which each edge label is on one line. */
const LOW_PLANE = 180;
/** Font of the words at the edges of the local plane. */
const EDGE = "600 12.5px system-ui, sans-serif";

/** Milliseconds for which a ring widens around what was just played. */
export const RIPPLE = 450;

/**
 * @param {CanvasRenderingContext2D} context @param {import("./camera.js").Camera} camera
 * @param {any} scene see map.js @param {number} now
 */
export function drawOverlay(context, camera, scene, now) {
  colours = palette();
  context.clearRect(0, 0, camera.width, camera.height);
  context.lineJoin = "round";
  context.lineCap = "round";
  if (scene.plane) {
    plane(context, camera, scene.plane);
    return;
  }
  if (scene.fade > 0.02) {
    context.globalAlpha = scene.fade;
    outline(context, camera, scene.hull);
    names(context, camera, scene.clusters);
    context.globalAlpha = 1;
  }
  trail(context, camera, scene.trail);
  path(context, camera, scene.path, scene.pathShare);
  for (const mark of scene.marks) drawMark(context, camera, mark);
  if (scene.hover) ring(context, camera.toScreen(scene.hover[0], scene.hover[1]), 7, colours.soft, 1);
  shape(context, camera, scene.shape, scene.shapeKind);
  cursor(context, camera, scene, now);
  if (scene.crosshair) crosshair(context, camera.toScreen(scene.crosshair[0], scene.crosshair[1]));
}

/** @param {CanvasRenderingContext2D} context @param {import("./camera.js").Camera} camera @param {number[][][]} rings */
function outline(context, camera, rings) {
  context.strokeStyle = colours.outline;
  context.lineWidth = 1;
  context.setLineDash([2, 5]);
  for (const corners of rings) {
    context.beginPath();
    for (const [x, y] of corners) context.lineTo(...camera.toScreen(x, y));
    context.closePath();
    context.stroke();
  }
  context.setLineDash([]);
}

/** Names of clusters, the largest first; a name that would overlap another is shown only after zooming in. */
function names(/** @type {CanvasRenderingContext2D} */ context, /** @type {import("./camera.js").Camera} */ camera, /** @type {any[]} */ clusters) {
  /** @type {number[][]} */
  const taken = [];
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (const cluster of clusters) {
    if (!cluster.name) continue;
    const [left, top] = camera.toScreen(cluster.x, cluster.y);
    if (left < -80 || top < -20 || left > camera.width + 80 || top > camera.height + 20) continue;
    context.font = "600 11.5px system-ui, sans-serif";
    const half = context.measureText(cluster.name).width / 2 + 6;
    // A name whose place is in sight is read whole.
    const x = left < 0 || left > camera.width ? left : Math.min(camera.width - half, Math.max(half, left));
    const box = [x - half, top - 11, x + half, top + 11];
    if (taken.some((other) => box[0] < other[2] && box[2] > other[0] && box[1] < other[3] && box[3] > other[1])) continue;
    taken.push(box);
    context.lineWidth = 3.5;
    context.strokeStyle = colours.halo;
    context.strokeText(cluster.name, x, top);
    context.fillStyle = colours.ink;
    context.fillText(cluster.name, x, top);
  }
}

/** The trail of a drag. */
function trail(/** @type {CanvasRenderingContext2D} */ context, /** @type {import("./camera.js").Camera} */ camera, /** @type {number[][]} */ places) {
  context.strokeStyle = colours.cursor;
  context.lineWidth = 1.5;
  for (let i = 1; i < places.length; i++) {
    context.globalAlpha = (0.6 * i) / places.length;
    context.beginPath();
    context.moveTo(...camera.toScreen(places[i - 1][0], places[i - 1][1]));
    context.lineTo(...camera.toScreen(places[i][0], places[i][1]));
    context.stroke();
  }
  context.globalAlpha = 1;
}

/** @param {CanvasRenderingContext2D} context @param {import("./camera.js").Camera} camera @param {number[][]} places @param {number | null} share */
function path(context, camera, places, share) {
  if (!places.length) return;
  for (const [width, colour] of /** @type {[number, string][]} */ ([[5, colours.halo], [2, colours.cursor]])) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    for (const [x, y] of places) context.lineTo(...camera.toScreen(x, y));
    context.stroke();
  }
  for (const end of [places[0], places[places.length - 1]]) dot(context, camera.toScreen(end[0], end[1]), 4, colours.cursor);
  if (share !== null && places.length > 1) {
    const here = along(places, share);
    dot(context, camera.toScreen(here[0], here[1]), 6, colours.core);
    ring(context, camera.toScreen(here[0], here[1]), 11, colours.cursor, 2);
  }
}

/** @param {CanvasRenderingContext2D} context @param {import("./camera.js").Camera} camera @param {Mark} mark */
function drawMark(context, camera, mark) {
  const [left, top] = camera.toScreen(mark.place[0], mark.place[1]);
  if (left < -20 || top < -20 || left > camera.width + 20 || top > camera.height + 20) return;
  const colour = mark.colour ?? colours.marks[mark.kind];
  context.lineWidth = 1.75;
  if (mark.kind === "played") {
    ring(context, [left, top], 5, colour, 1.25);
    return;
  }
  if (mark.kind === "kept" || mark.kind === "import") {
    const reach = mark.kind === "kept" ? 5 : 4;
    context.beginPath();
    if (mark.kind === "kept") context.moveTo(left, top - reach), context.lineTo(left + reach, top), context.lineTo(left, top + reach), context.lineTo(left - reach, top);
    else context.rect(left - reach, top - reach, 2 * reach, 2 * reach);
    context.closePath();
    context.fillStyle = colour;
    context.strokeStyle = colours.halo;
    context.fill();
    context.stroke();
    return;
  }
  dot(context, [left, top], mark.kind === "vary" ? 7 : 8, colours.halo);
  ring(context, [left, top], mark.kind === "vary" ? 7 : 8, colour, 1.75);
  context.fillStyle = colour;
  context.font = "700 10px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(mark.text ?? (mark.kind === "plus" ? "+" : mark.kind === "minus" ? "−" : "•"), left, top + 0.5);
}

/** The box or the lasso that is being drawn. */
function shape(/** @type {CanvasRenderingContext2D} */ context, /** @type {import("./camera.js").Camera} */ camera, /** @type {number[][]} */ places, /** @type {string} */ kind) {
  if (places.length < 1) return;
  const corners = places.map(([x, y]) => camera.toScreen(x, y));
  context.beginPath();
  if (kind === "box" && corners.length > 1) {
    const [[x0, y0], [x1, y1]] = corners;
    context.rect(x0, y0, x1 - x0, y1 - y0);
  } else for (const corner of corners) context.lineTo(...corner);
  context.fillStyle = colours.selectFill;
  context.strokeStyle = colours.select;
  context.lineWidth = 1.5;
  context.setLineDash([5, 4]);
  context.fill();
  context.stroke();
  context.setLineDash([]);
}

/** The current sound; and, outside the map, the way to where it was taken from. */
function cursor(/** @type {CanvasRenderingContext2D} */ context, /** @type {import("./camera.js").Camera} */ camera, /** @type {any} */ scene, /** @type {number} */ now) {
  if (!scene.cursor) return;
  const at = camera.toScreen(scene.cursor[0], scene.cursor[1]);
  if (scene.movedFrom) {
    const from = camera.toScreen(scene.movedFrom[0], scene.movedFrom[1]);
    context.strokeStyle = colours.cursor;
    context.lineWidth = 1.25;
    context.setLineDash([3, 4]);
    context.beginPath();
    context.moveTo(...from);
    context.lineTo(...at);
    context.stroke();
    context.setLineDash([]);
    context.beginPath();
    for (const turn of [-1, 1]) context.moveTo(from[0] - 4, from[1] - 4 * turn), context.lineTo(from[0] + 4, from[1] + 4 * turn);
    context.stroke();
    label(context, "outside the map: nearest sound", from[0], from[1] - 14, camera.width);
  }
  const age = (now - scene.played) / RIPPLE;
  if (age >= 0 && age < 1 && !scene.still) {
    context.globalAlpha = (1 - age) ** 2;
    ring(context, at, 9 + 34 * (1 - (1 - age) ** 3), colours.cursor, 1.5);
    context.globalAlpha = 1;
  }
  ring(context, at, 9, colours.halo, 5);
  ring(context, at, 9, colours.cursor, 2.25);
  dot(context, at, 2.75, colours.core);
}

/**
 * The local plane around a sound: over the map, what changes towards each edge, and the current position.
 * @param {CanvasRenderingContext2D} context @param {import("./camera.js").Camera} camera @param {import("./map.js").Plane} shown
 */
function plane(context, camera, shown) {
  const { left, top, width, height } = planeBounds(camera);
  context.fillStyle = colours.planeVeil;
  context.fillRect(0, 0, camera.width, camera.height);
  context.fillStyle = colours.planeGround;
  context.fillRect(left, top, width, height);
  context.strokeStyle = colours.planeLine;
  context.lineWidth = 1;
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    context.beginPath();
    context.moveTo(left + share * width, top);
    context.lineTo(left + share * width, top + height);
    context.moveTo(left, top + share * height);
    context.lineTo(left + width, top + share * height);
    context.stroke();
  }
  const middle = [left + width / 2, top + height / 2];
  context.textBaseline = "middle";
  const say = (/** @type {string} */ edge) => shown.edges[edge].words || "no word for this change";
  context.font = EDGE;
  // Left and right stand beside each other where there is room, else above and below the middle.
  const narrow = context.measureText(say("left")).width + context.measureText(say("right")).width > width - 60;
  const low = height < LOW_PLANE; // words and distance in one line
  const apart = narrow || low ? Math.min(52, height / 6) : 0;
  const edges = /** @type {[string, number, number][]} */ ([["left", left + 8, middle[1] - apart], ["right", left + width - 8, middle[1] + apart], ["top", middle[0], top + (low ? 14 : 18)], ["bottom", middle[0], top + height - (low ? 14 : 30)]]);
  for (const [edge, x, y] of edges) {
    const away = `${shown.edges[edge].distance.toFixed(1)} dB`;
    context.textAlign = edge === "left" ? "left" : edge === "right" ? "right" : "center";
    context.font = EDGE;
    context.fillStyle = colours.ink;
    context.fillText(low ? `${say(edge)} · ${away}` : say(edge), x, y, width - 16);
    if (low) continue;
    context.font = "500 11px system-ui, sans-serif";
    context.fillStyle = colours.soft;
    context.fillText(`${away} away`, x, y + 16);
  }
  dot(context, /** @type {[number, number]} */ (middle), 3, colours.soft);
  const here = [middle[0] + (shown.at[0] * width) / 2, middle[1] - (shown.at[1] * height) / 2];
  ring(context, here, 9, colours.cursor, 2.25);
  dot(context, here, 2.75, colours.core);
}

/** The rectangle that the local plane fills: a square, wider where the window is low. @param {import("./camera.js").Camera} camera */
export function planeBounds(camera) {
  // Below the bar of views, between the tools and the buttons for zoom; in a low window these are in a row at the bottom.
  const room = camera.width - 112;
  if (camera.height < LOW) {
    const height = Math.max(100, camera.height - 100);
    const width = Math.max(120, Math.min(room, 2.4 * height));
    return { left: (camera.width - width) / 2, top: 48, width, height };
  }
  const side = Math.max(120, Math.min(room, camera.height - 120));
  return { left: (camera.width - side) / 2, top: (camera.height - side) / 2, width: side, height: side };
}

/** @param {CanvasRenderingContext2D} context @param {number[]} at */
function crosshair(context, [left, top]) {
  for (const [colour, width] of /** @type {[string, number][]} */ ([[colours.halo, 4], [colours.core, 1.5]])) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    for (const [x, y] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.moveTo(left + 5 * x, top + 5 * y);
      context.lineTo(left + 15 * x, top + 15 * y);
    }
    context.stroke();
  }
}

/** @param {CanvasRenderingContext2D} context @param {string} text @param {number} left @param {number} top @param {number} width of the window */
function label(context, text, left, top, width) {
  context.font = "500 12px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  const half = context.measureText(text).width / 2 + 8;
  const x = Math.min(width - half, Math.max(half, left));
  context.lineWidth = 4;
  context.strokeStyle = colours.halo;
  context.strokeText(text, x, top);
  context.fillStyle = colours.cursor;
  context.fillText(text, x, top);
}

/** @param {CanvasRenderingContext2D} context @param {number[]} at @param {number} radius @param {string} colour */
function dot(context, at, radius, colour) {
  context.fillStyle = colour;
  context.beginPath();
  context.arc(at[0], at[1], radius, 0, 7);
  context.fill();
}

/** @param {CanvasRenderingContext2D} context @param {number[]} at @param {number} radius @param {string} colour @param {number} width */
function ring(context, at, radius, colour, width) {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.beginPath();
  context.arc(at[0], at[1], radius, 0, 7);
  context.stroke();
}
