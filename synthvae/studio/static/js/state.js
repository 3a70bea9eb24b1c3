/**
 * Shared state of the page: panels write to it and subscribe to it, never to each other.
 */

/** A store of named values. Listeners are called after every `set` of the names they gave. */
export class Store {
  /** @param {Record<string, any>} values */
  constructor(values) {
    this.values = values;
    /** @type {Map<string, Set<(value: any) => void>>} */
    this.listeners = new Map();
  }

  /** @param {string} name @returns {any} */
  get(name) {
    return this.values[name];
  }

  /** Changes a value for whoever asks; listeners are told by a later `set`. @param {string} name @param {any} value */
  put(name, value) {
    this.values[name] = value;
  }

  /** @param {string} name @param {any} value */
  set(name, value) {
    this.put(name, value);
    for (const listener of this.listeners.get(name) ?? []) listener(value);
  }

  /** @param {string | string[]} names @param {(value: any) => void} listener */
  on(names, listener) {
    for (const name of [names].flat()) {
      if (!this.listeners.has(name)) this.listeners.set(name, new Set());
      this.listeners.get(name)?.add(listener);
    }
  }
}

/** Undo and redo over whole sounds: each entry is what was current, so going back plays it again as it was. */
export class History {
  /** @param {number} limit entries that are kept; older ones go. */
  constructor(limit = 200) {
    this.limit = limit;
    /** @type {any[]} */
    this.entries = [];
    this.position = -1;
    /** @type {(() => void)[]} */
    this.listeners = [];
  }

  /** @param {any} entry what is current from now on; everything undone is forgotten. */
  push(entry) {
    this.entries.splice(this.position + 1);
    this.entries.push(entry);
    if (this.entries.length > this.limit) this.entries.shift();
    this.position = this.entries.length - 1;
    this.#changed();
  }

  get canUndo() {
    return this.position > 0;
  }

  get canRedo() {
    return this.position < this.entries.length - 1;
  }

  /** @returns {any} the entry before, or null. */
  undo() {
    return this.canUndo ? this.#move(-1) : null;
  }

  /** @returns {any} the entry after, or null. */
  redo() {
    return this.canRedo ? this.#move(1) : null;
  }

  /** @param {number} step */
  #move(step) {
    this.position += step;
    this.#changed();
    return this.entries[this.position];
  }

  #changed() {
    for (const listener of this.listeners) listener();
  }
}
