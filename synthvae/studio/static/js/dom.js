/**
 * Elements without markup: everything the page shows of names, tags and files goes through text nodes, so that
 * nothing a person typed or a file was called can become markup.
 */

const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {Element} element
 * @param {Record<string, any>} attributes `on…` are listeners, true is an attribute without value, null is none.
 * @param {any[]} children nodes, or what becomes text.
 */
function furnish(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}

/** @returns {HTMLElement} an HTML element with attributes, listeners and children. */
export function el(/** @type {string} */ tag, /** @type {Record<string, any>} */ attributes = {}, /** @type {any[]} */ ...children) {
  return /** @type {HTMLElement} */ (furnish(document.createElement(tag), attributes, children));
}

/** @returns {SVGElement} the same for SVG. */
export function svg(/** @type {string} */ tag, /** @type {Record<string, any>} */ attributes = {}, /** @type {any[]} */ ...children) {
  return /** @type {SVGElement} */ (furnish(document.createElementNS(SVG, tag), attributes, children));
}

/** One of the drawings that index.html defines. @param {string} name */
export function icon(name) {
  return svg("svg", { class: "icon", "aria-hidden": "true", viewBox: "0 0 20 20" }, svg("use", { href: `#icon-${name}` }));
}

/** A button with an icon, an accessible name and a tooltip. */
export function iconButton(/** @type {string} */ name, /** @type {string} */ label, /** @type {(event: Event) => void} */ onclick, /** @type {Record<string, any>} */ attributes = {}) {
  return /** @type {HTMLButtonElement} */ (
    el("button", { type: "button", class: "icon-button", "aria-label": label, title: label, onclick, ...attributes }, icon(name))
  );
}

/** The element of this id, which index.html has. @param {string} id @returns {any} */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element #${id}`);
  return found;
}

/** Replaces what an element holds. */
export function fill(/** @type {Element} */ element, /** @type {any[]} */ ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Runs at most once a frame, with the newest arguments. @template {any[]} A @param {(...args: A) => void} run @returns {(...args: A) => void} */
export function perFrame(run) {
  let waiting = false;
  /** @type {A} */
  let newest;
  return (...args) => {
    newest = args;
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      run(...newest);
    });
  };
}

/** Runs when there were no calls for a while. @template {any[]} A @param {(...args: A) => void} run @returns {(...args: A) => void} */
export function settled(run, /** @type {number} */ milliseconds) {
  /** @type {number | undefined} */
  let timer;
  return (...args) => {
    window.clearTimeout(timer);
    timer = window.setTimeout(() => run(...args), milliseconds);
  };
}

/** Canvas sized to its box in device pixels; its 2-D context, scaled to CSS pixels. @param {HTMLCanvasElement} canvas */
export function sharpContext(canvas) {
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  const width = Math.max(1, canvas.clientWidth);
  const height = Math.max(1, canvas.clientHeight);
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return { context, width, height };
}

/** Hands a file to the browser's downloads. @param {Blob} blob @param {string} name */
export function download(blob, name) {
  const address = URL.createObjectURL(blob);
  const link = el("a", { href: address, download: name });
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(address), 60000);
}
