// What a person typed and has not used yet: it outlives the view, not the page, and nobody else's visit.

/** Texts by the name of their field. In memory only. */
export class Drafts {
  /** @type {Map<string, string>} */
  #texts = new Map();

  /**
   * Puts a kept text into a field, and keeps what is typed there from now on.
   * @param {string} name
   * @param {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} field
   */
  bind(name, field) {
    const kept = this.#texts.get(name);
    if (kept !== undefined) field.value = kept;
    field.addEventListener('input', () => this.keep(name, field.value));
  }

  /** @param {string} name */
  kept(name) {
    return this.#texts.get(name) ?? null;
  }

  /**
   * @param {string} name
   * @param {string} text
   */
  keep(name, text) {
    this.#texts.set(name, text);
  }

  /** @param {string} name */
  drop(name) {
    this.#texts.delete(name);
  }

  clear() {
    this.#texts.clear();
  }
}
