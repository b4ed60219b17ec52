// Copies of what the browser keeps, for the case that somebody takes it away: whoever serves this origin can
// empty the browser's storage with a header on any answer. A copy is in memory, and in the tab for a reload.

/** @import { Area } from './store.js' */

const KEY = 'openkey.copies';

export class Copies {
  /** @type {Map<string, string>} what this page holds */
  #memory = new Map();

  /** @type {Set<string>} keys that the browser is known to have kept */
  #kept = new Set();

  /**
   * @param {() => Area} local the storage that is copied
   * @param {Area} tab
   */
  constructor(local, tab) {
    this.local = local;
    this.tab = tab;
    try {
      for (const [key, text] of Object.entries(JSON.parse(tab.getItem(KEY) ?? '{}'))) {
        this.#memory.set(key, String(text));
        this.#kept.add(key);
      }
    } catch {
      // Nothing that could be read.
    }
  }

  /**
   * What is known under a key: this page's own first, then what the browser has, if that is something else.
   * @param {string} key
   */
  all(key) {
    const there = this.#there(key);
    // From here on it is missed when it goes.
    if (there !== null && !this.#memory.has(key)) this.#note(key, there);
    const own = this.#memory.get(key);
    return [own, there].filter((text, i, both) => typeof text === 'string' && both.indexOf(text) === i).map(String);
  }

  /**
   * @param {string} key
   * @param {string | null} text null removes it
   * @returns {boolean} whether the browser keeps it
   */
  put(key, text) {
    try {
      if (text === null) this.local().removeItem(key);
      else this.local().setItem(key, text);
    } catch {
      // Full or forbidden: the copy in memory counts until the page goes.
    }
    const kept = this.#there(key) === text;
    if (text === null) this.drop(key);
    else if (kept) this.#note(key, text);
    else this.#memory.set(key, text);
    return kept;
  }

  /**
   * Forgets this page's own.
   * @param {string} key
   */
  drop(key) {
    this.#memory.delete(key);
    this.#kept.delete(key);
    this.#mirror();
  }

  /**
   * Takes what the browser has in the place of this page's own.
   * @param {string} key
   */
  take(key) {
    const there = this.#there(key);
    if (there !== null) this.#note(key, there);
  }

  /**
   * Whether the browser no longer has what it was known to keep. Then it gets it back.
   * @returns {boolean}
   */
  restore() {
    const gone = [...this.#kept].filter((key) => this.#there(key) === null);
    for (const key of gone) this.put(key, this.#memory.get(key) ?? null);
    return gone.length > 0;
  }

  /** @param {string} key */
  #there(key) {
    try {
      return this.local().getItem(key);
    } catch {
      return null;
    }
  }

  /**
   * @param {string} key
   * @param {string} text
   */
  #note(key, text) {
    this.#memory.set(key, text);
    this.#kept.add(key);
    this.#mirror();
  }

  #mirror() {
    try {
      this.tab.setItem(KEY, JSON.stringify(Object.fromEntries([...this.#kept].map((key) => [key, this.#memory.get(key)]))));
    } catch {
      // Full or forbidden: a reload forgets the copies.
    }
  }
}
