/** Panels of which one shows at a time, as WAI-ARIA describes tabs: one stop for the Tab key, arrows between them. */
import { el } from "../dom.js";

export class Tabs {
  /** @param {HTMLElement} list @param {HTMLElement} panels */
  constructor(list, panels) {
    this.list = list;
    this.panels = panels;
    /** @type {Map<string, {tab: HTMLElement, panel: HTMLElement}>} */
    this.all = new Map();
    /** @type {((name: string) => void)[]} */
    this.listeners = [];
    this.open = "";
    list.addEventListener("keydown", (event) => {
      const names = [...this.all.keys()];
      const step = /** @type {Record<string, number>} */ ({ ArrowRight: 1, ArrowLeft: -1 })[event.key];
      if (!step) return;
      event.preventDefault();
      const next = names[(names.indexOf(this.open) + step + names.length) % names.length];
      this.show(next);
      this.all.get(next)?.tab.focus();
    });
  }

  /** @param {string} name @param {string} title @returns {HTMLElement} the panel, to be filled */
  add(name, title) {
    const tab = el("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": `panel-${name}`, onclick: () => this.show(name) }, title);
    const panel = el("section", { role: "tabpanel", id: `panel-${name}`, "aria-labelledby": `tab-${name}`, class: "panel", hidden: true });
    this.list.append(tab);
    this.panels.append(panel);
    this.all.set(name, { tab, panel });
    if (!this.open) this.show(name);
    else tab.tabIndex = -1;
    return panel;
  }

  /** @param {string} name */
  show(name) {
    this.open = name;
    for (const [other, { tab, panel }] of this.all) {
      tab.setAttribute("aria-selected", String(other === name));
      tab.tabIndex = other === name ? 0 : -1;
      panel.hidden = other !== name;
    }
    for (const listener of this.listeners) listener(name);
  }

  /** A number beside a title, for what waits behind it. @param {string} name @param {number} count */
  count(name, count) {
    const tab = this.all.get(name)?.tab;
    tab?.querySelector("small")?.remove();
    if (count) tab?.append(el("small", {}, count));
  }
}
