// Approvals that have left this page and of which nobody has proved what came. Kept in the tab, so that
// a reload does not forget them, each for its own account: the next person in this tab is told of none.
//
// An enclave decides nothing after the end of a prompt, and dates each decision. It refuses a decision that
// is dated two minutes or more before a look at the account that did not show it, whoever brings it. So a
// look is final some time after the end of the prompt, and before that it is not.

/** @import { Area } from './store.js' */

/** @typedef {{ id: string, account: string | null, title: string, until: number, told: boolean }} Sent `id` is the prompt's challenge; `account` whose it is, hex, null for a sign-in; `until` from when on a look at the history is final, in milliseconds since 1970; `told` if the person was */

const KEY = 'openkey.sent';

/**
 * How long after the end of a prompt a look at the history is final, in milliseconds: the enclave's `TOLERANCE`, and a
 * minute by which the clocks of a deployment's enclaves may differ, as in the verifier.
 */
export const FINAL_AFTER = 180_000;

export class Unsettled {
  /** @type {Sent[]} a browser that refuses storage remembers them until the page goes */
  #sent = [];

  /** @param {Area} [tab] */
  constructor(tab = sessionStorage) {
    this.tab = tab;
    try {
      const kept = JSON.parse(tab.getItem(KEY) ?? '[]');
      if (Array.isArray(kept)) this.#sent = kept;
    } catch {
      // Nothing that could be read.
    }
  }

  /**
   * An approval goes out.
   * @param {Omit<Sent, 'told'>} sent
   */
  add({ id, account, title, until }) {
    this.#keep([...this.#sent.filter((one) => one.id !== id), { id, account, title, until, told: false }]);
  }

  /** @param {string} id */
  told(id) {
    this.#keep(this.#sent.map((one) => (one.id === id ? { ...one, told: true } : one)));
  }

  /**
   * It is proved what came of an approval.
   * @param {string} id
   */
  settle(id) {
    this.#keep(this.#sent.filter((one) => one.id !== id));
  }

  /**
   * Somebody signed out: what this tab knows of their approvals goes, and of sign-ins.
   * @param {string | null} account hex
   */
  forget(account) {
    this.#keep(this.#sent.filter((one) => one.account !== account && one.account !== null));
  }

  /**
   * Those of an account of which nobody was told, however long ago.
   * @param {string | null} account hex; null for sign-ins
   */
  untold(account) {
    return this.#sent.filter((one) => one.account === account && !one.told);
  }

  /**
   * Those of an account of which no look at the history can be final yet.
   * @param {string | null} account hex; null for sign-ins
   * @param {number} [now]
   */
  live(account, now = Date.now()) {
    return this.#sent.filter((one) => one.account === account && one.until > now);
  }

  /** @param {Sent[]} sent */
  #keep(sent) {
    // What was told and has ended is the history's.
    this.#sent = sent.filter(({ told, until }) => !told || until > Date.now());
    try {
      if (this.#sent.length === 0) this.tab.removeItem(KEY);
      else this.tab.setItem(KEY, JSON.stringify(this.#sent));
    } catch {
      // Full or forbidden: remembered in memory only.
    }
  }
}
