// Copies of what the browser keeps, for the case that somebody takes it away: whoever serves this origin can
// empty the browser's storage with a header on any answer. A copy is in memory, and in the tab for a reload.

import { ruleOf } from './merging.js';

/** @import { Area } from './store.js' */

const KEY = 'openkey.copies';

export class Copies {
  /** @type {Map<string, string[]>} what this page holds: all that it wrote, read or heard, merged by the key's rule */
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
      for (const [key, texts] of Object.entries(JSON.parse(tab.getItem(KEY) ?? '{}'))) {
        if (ruleOf(key) === null) continue;
        this.#memory.set(key, [texts].flat().map(String));
        this.#kept.add(key);
      }
    } catch {
      // Nothing that could be read.
    }
  }

  /**
   * What is known under a key: what this page holds, then what the browser has, if that is something else.
   * @param {string} key
   */
  all(key) {
    const there = this.#read(key);
    return [...this.#held(key), there].filter((text, i, both) => text !== null && both.indexOf(text) === i).map(String);
  }

  /**
   * @param {string} key
   * @param {string | null} text null removes it: only where other tabs learn of it, since they would bring it back
   * @returns {boolean} whether the browser keeps it
   */
  put(key, text) {
    this.#write(key, text);
    const kept = this.#there(key) === text;
    if (text === null) this.drop(key);
    else if (kept) this.#note(key, [text]);
    else this.#memory.set(key, [text]);
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
    if (there !== null) this.#note(key, [there]);
  }

  /**
   * Another tab has written a text, whether the browser still has it or not.
   * @param {string} key
   * @param {string} text
   * @param {string | null} before what it took the place of
   */
  hear(key, text, before) {
    const rule = ruleOf(key);
    if (rule === null) return;
    this.#note(key, rule.merge(this.#held(key), text, before));
    // What was told may have been overtaken.
    this.#read(key);
  }

  /**
   * Whether the browser no longer has what it was known to keep. Then it gets it back.
   * @returns {boolean}
   */
  restore() {
    const gone = [...this.#kept].filter((key) => this.#read(key) === null);
    for (const key of gone) this.#write(key, ruleOf(key)?.back(this.#held(key)) ?? null);
    return gone.length > 0;
  }

  /** @param {string} key */
  #held(key) {
    return this.#memory.get(key) ?? [];
  }

  /**
   * What the browser has. From here on it is missed when it goes, and another tab's lower word is put right.
   * @param {string} key
   */
  #read(key) {
    const [there, rule] = [this.#there(key), ruleOf(key)];
    if (there === null || rule === null) return there;
    const held = rule.merge(this.#held(key), there, null);
    this.#note(key, held);
    const healed = rule.heal?.(held, there) ?? there;
    if (healed !== there) this.#write(key, healed);
    return this.#there(key);
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
   * @param {string | null} text
   */
  #write(key, text) {
    try {
      if (text === null) this.local().removeItem(key);
      else this.local().setItem(key, text);
    } catch {
      // Full or forbidden: the copy in memory counts until the page goes.
    }
  }

  /**
   * @param {string} key
   * @param {string[]} held
   */
  #note(key, held) {
    const before = this.#held(key);
    if (this.#kept.has(key) && before.length === held.length && held.every((text, i) => text === before[i])) return;
    this.#memory.set(key, held);
    this.#kept.add(key);
    this.#mirror();
  }

  #mirror() {
    try {
      this.tab.setItem(KEY, JSON.stringify(Object.fromEntries([...this.#kept].map((key) => [key, this.#held(key)]))));
    } catch {
      // Full or forbidden: a reload forgets the copies.
    }
  }
}
