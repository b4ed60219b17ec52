// The system that the tests of one file share, and the browser that they visit it with.

import { after, before } from 'node:test';
import { Person, launch } from './person.js';
import { Simulator } from './simulator.js';

export class System {
  /** @type {import('playwright-core').Browser | undefined} */
  #browser;
  /** @type {Simulator | undefined} */
  #simulator;

  /** What runs. */
  get simulator() {
    if (!this.#simulator) throw new Error('no system runs');
    return this.#simulator;
  }

  async launch() {
    this.#browser = await launch();
  }

  async start() {
    this.#simulator = await Simulator.start();
  }

  async stop() {
    await this.#simulator?.stop();
    this.#simulator = undefined;
  }

  async close() {
    await this.#browser?.close();
    await this.stop();
  }

  /**
   * Somebody with a browser profile of their own, who was never here.
   * @param {string} [base] the page's address
   */
  async person(base = this.simulator.page) {
    if (!this.#browser) throw new Error('no browser runs');
    return Person.at(this.#browser, base);
  }

  /** A person who has an account, with the address of its first key. */
  async registered() {
    const person = await this.person();
    const address = await person.register();
    return { person, page: person.page, address };
  }
}

/**
 * One for all tests of a file: it begins before the first and ends after the last.
 * @param {{ start: boolean }} [options] without a start, each test starts and stops what it needs; the
 *   browser is one all the same
 */
export function shared({ start } = { start: true }) {
  const system = new System();
  before(async () => {
    if (start) await system.start();
    await system.launch();
  });
  after(() => system.close());
  return system;
}
