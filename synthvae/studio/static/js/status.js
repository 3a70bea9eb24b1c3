/** Status line, announced by screen readers, and error messages. */
import { byId } from "./dom.js";

/** Milliseconds for which an error stays. */
const STAYS = 9000;

export class Status {
  constructor() {
    this.line = byId("status");
    this.error = byId("error");
    this.text = byId("error-text");
    /** @type {number | undefined} */
    this.timer = undefined;
    byId("error-close").addEventListener("click", () => this.clear());
  }

  /** @param {string} text */
  say(text) {
    if (this.line.textContent !== text) this.line.textContent = text;
  }

  /** @param {unknown} error */
  fail(error) {
    if (error instanceof DOMException && error.name === "AbortError") return;
    const message = error instanceof Error ? error.message : String(error);
    this.text.textContent = message.charAt(0).toUpperCase() + message.slice(1);
    this.error.hidden = false;
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.clear(), STAYS);
  }

  clear() {
    this.error.hidden = true;
    this.text.textContent = "";
  }
}
