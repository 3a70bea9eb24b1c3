/**
 * Keys of the whole page. Single letters can be switched off (WCAG 2.1.4) with the box beside the piano, and none is
 * taken from a field that somebody types in.
 */
import { byId, el, fill } from "./dom.js";

/** @type {[string, string][]} */
export const HELP = [
  ["click, drag", "hear what is there"],
  ["wheel, pinch", "zoom; right button or space bar and drag move the map"],
  ["arrows, Enter", "on the map: move a cross, hear what is under it"],
  ["space bar", "hear the current sound again, or stop it"],
  ["A W S E D F …", "play it on keys; Z and X change the octave"],
  ["1 … 9 0", "the neighbours that Vary made; with Shift 11 to 16"],
  ["Ctrl Z, Ctrl Shift Z", "undo, redo"],
  ["Q", "change over between A and B"],
  ["V M B N", "tools: play, path, box, lasso"],
  ["Shift or Alt click", "add to, take from, the sounds of Blend"],
  ["R", "somewhere else"],
  ["/", "find a sound"],
  ["Esc", "let go of the selection"],
];

const TOOLS = /** @type {Record<string, string>} */ ({ v: "play", m: "pen", b: "box", n: "lasso" });

/** @param {any} studio */
export function listenForKeys(studio) {
  const { keyboard } = studio;
  window.addEventListener("keydown", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    const typing = target.matches?.("input:not([type=range]):not([type=checkbox]), select, textarea");
    const key = event.key.toLowerCase();
    if ((event.ctrlKey || event.metaKey) && !event.altKey) {
      if (typing || (key !== "z" && key !== "y")) return;
      event.preventDefault();
      if (key === "y" || event.shiftKey) studio.sounds.redo();
      else studio.sounds.undo();
      return;
    }
    if (typing || event.altKey) return;
    if (event.key === "Escape") {
      studio.escape();
      return;
    }
    if (event.key === "/") {
      event.preventDefault();
      byId("search-text").focus();
      return;
    }
    if (event.code === "Space") {
      // On a control the space bar belongs to the control; on the map it moves the map if it is held.
      if (target.closest("button, summary, a, input, [role=button]") || event.repeat) return;
      event.preventDefault();
      studio.toggle();
      return;
    }
    const digit = /^Digit(\d)$/.exec(event.code);
    if (digit && !target.matches?.("input[type=range]")) {
      const number = Number(digit[1]);
      const i = event.shiftKey ? 9 + number : (number + 9) % 10;
      if (!event.repeat && studio.vary.choose(i, event.timeStamp)) event.preventDefault();
      return;
    }
    if (!keyboard.on || event.repeat) return;
    if (key === "q") studio.compare.change();
    else if (key === "r") studio.somewhere();
    else if (key === "z") keyboard.shift(-1);
    else if (key === "x") keyboard.shift(1);
    else if (TOOLS[key]) studio.useTool(TOOLS[key]);
    else if (!event.shiftKey && keyboard.letter(event.code, true, event.timeStamp)) event.preventDefault();
  });
  window.addEventListener("keyup", (event) => keyboard.letter(event.code, false, event.timeStamp));
  window.addEventListener("blur", () => keyboard.silence());
}

/** The list of keys behind the question mark. @param {HTMLElement} panel @param {HTMLElement} button */
export function helpPanel(panel, button) {
  fill(panel,
    el("h2", {}, "Every place on the map is a sound"),
    el("dl", {}, HELP.map(([keys, what]) => [el("dt", {}, keys), el("dd", {}, what)])),
    el("p", {}, "Drop a WAV on the page to find the preset that sounds like it, or a folder of WAVs to see them on the map. What you keep is in the bank, on this computer."));
  const toggle = (/** @type {boolean} */ open) => {
    panel.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
  };
  button.addEventListener("click", () => toggle(panel.hidden));
  document.addEventListener("pointerdown", (event) => {
    if (!panel.hidden && !panel.contains(/** @type {Node} */ (event.target)) && !button.contains(/** @type {Node} */ (event.target))) toggle(false);
  });
  return () => toggle(false);
}
