/**
 * Keys of the whole page. Single letters can be switched off (WCAG 2.1.4) with the box beside the piano, and none is
 * taken from a field that somebody types in.
 */
import { byId, el, fill } from "./dom.js";

/** @type {[string, string][]} */
export const HELP = [
  ["click, drag", "play the sound at that position"],
  ["wheel, pinch", "zoom; drag with the right button or the space bar to pan"],
  ["arrows, Enter", "on the map: move a cursor, play the sound under it"],
  ["space bar", "play or stop the current sound"],
  ["A W S E D F …", "play notes; Z and X change the octave"],
  ["1 … 9 0", "variations 1 to 10; with Shift 11 to 16"],
  ["Ctrl Z, Ctrl Shift Z", "undo, redo"],
  ["Q", "switch between A and B"],
  ["O, F, H", "of recorded sounds: recording or model, favourite, hide"],
  ["V M B N", "tools: play, path, box, lasso"],
  ["Shift or Alt click", "add a sound to, subtract one from, the blend"],
  ["C", "local plane around the current sound; also by zooming in far enough"],
  ["R", "random sound"],
  ["arrows, F2, Delete", "in the bank: choose, rename and remove a sound"],
  ["/", "find a sound"],
  ["Esc", "clear the selection"],
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
    else if (key === "c") void studio.closer(!studio.map.scene.plane);
    else if (studio.can.originals && key === "o") studio.soundPanel.asMade();
    else if (studio.can.originals && (key === "f" || key === "h")) studio.soundPanel.mark(key === "f" ? "favourites" : "hidden");
    else if (key === "z") keyboard.shift(-1);
    else if (key === "x") keyboard.shift(1);
    else if (TOOLS[key]) studio.useTool(TOOLS[key]);
    else if (studio.can.keys && !event.shiftKey && keyboard.letter(event.code, true, event.timeStamp)) event.preventDefault();
  });
  window.addEventListener("keyup", (event) => keyboard.letter(event.code, false, event.timeStamp));
  window.addEventListener("blur", () => keyboard.silence());
}

/** The list of keys behind the question mark. @param {HTMLElement} panel @param {HTMLElement} button */
export function helpPanel(panel, button) {
  fill(panel,
    el("h2", {}, "Keys and mouse"),
    el("dl", {}, HELP.map(([keys, what]) => [el("dt", {}, keys), el("dd", {}, what)])),
    el("p", {}, "Drop a WAV on the page to find what sounds like it, or a folder of WAVs to see them on the map. Saved sounds are in the bank, on this computer."));
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
