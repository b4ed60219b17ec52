// What this browser keeps: per account the newest head it saw, when it was shown last, and the addresses an enclave has
// signed for (localStorage), the read token of this tab (sessionStorage), a visitor's own policy, and
// the deployment that somebody signed up or in with here.

import { fromBase64, fromHex, toBase64, toHex } from './bytes.js';

/** @import { Bytes, KnownHead, Policy } from './messages.js' */

/** @typedef {{ account: string, userHandle: string, token: Bytes, expiresAt: number, name: string, first?: boolean }} Session `account` and `userHandle` as hex; `first` if this browser had no head of the account */

/** @typedef {{ version: 1, receipt: { body: string, signature: string }, evidence: string, nonce: string }} ReceiptFile what `openkey-verify account` reads */
/** @typedef {{ hash: string, file: ReceiptFile }} KeptReceipt */

/** @typedef {Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>} Area */

/** Reads and writes; a browser that refuses storage only forgets. */
export class Store {
  /**
   * @param {Area} [local]
   * @param {Area} [tab]
   */
  constructor(local = localStorage, tab = sessionStorage) {
    this.local = local;
    this.tab = tab;
  }

  /**
   * The newest head seen of an account, and when it was shown last by the enclave's clock.
   * @param {string} account hex
   * @returns {KnownHead | null}
   */
  head(account) {
    const kept = read(this.local, `openkey.head.${account}`);
    if (!kept) return null;
    const head = { account: fromHex(account), version: kept.version, hash: fromHex(kept.hash), entry: fromHex(kept.entry) };
    return { head, shown_at: kept.shownAt };
  }

  /**
   * The account that a user handle led to before.
   * @param {string} userHandle hex
   * @returns {string | null} hex
   */
  account(userHandle) {
    return read(this.local, `openkey.account.${userHandle}`);
  }

  /**
   * @param {string} userHandle hex
   * @param {string} account hex
   */
  keepAccount(userHandle, account) {
    write(this.local, `openkey.account.${userHandle}`, account);
    write(this.local, `openkey.unfinished.${userHandle}`, null);
  }

  /**
   * Notes that a passkey with this user handle was made for a sign-up that is not finished.
   * @param {string} userHandle hex
   */
  beginAccount(userHandle) {
    write(this.local, `openkey.unfinished.${userHandle}`, true);
  }

  /**
   * Whether a passkey with this user handle was made here for a sign-up that never gave a receipt. The
   * account behind it is nobody's this browser knows.
   * @param {string} userHandle hex
   * @returns {boolean}
   */
  isUnfinished(userHandle) {
    return read(this.local, `openkey.unfinished.${userHandle}`) === true;
  }

  /**
   * Keeps a checked head, unless another tab has seen a newer one meanwhile. The time of the same head only
   * goes up.
   * @param {{ account: string, version: number, hash: string, entry: string }} head
   * @param {number} at when the answer was given that showed it as current, by the enclave's clock
   */
  keepHead(head, at) {
    const kept = this.head(head.account);
    if (kept && kept.head.version > head.version) return;
    const same = kept && kept.head.version === head.version && toHex(kept.head.hash) === head.hash;
    const shownAt = same ? Math.max(kept.shown_at, at) : at;
    write(this.local, `openkey.head.${head.account}`, { version: head.version, hash: head.hash, entry: head.entry, shownAt });
  }

  /**
   * Addresses that an enclave has signed for, by key index.
   * @param {string} account hex
   * @returns {Record<string, string>} in EIP-55 form, as they were signed for
   */
  addresses(account) {
    return read(this.local, `openkey.addresses.${account}`) ?? {};
  }

  /**
   * @param {string} account hex
   * @param {number} key
   * @param {string} address in EIP-55 form
   */
  keepAddress(account, key, address) {
    const kept = this.addresses(account);
    kept[key] = address;
    write(this.local, `openkey.addresses.${account}`, kept);
  }

  /** @returns {Session | null} */
  session() {
    const kept = read(this.tab, 'openkey.session');
    return kept && kept.expiresAt > Date.now() ? { ...kept, token: fromBase64(kept.token) } : null;
  }

  /** @param {Session | null} session null forgets it */
  keepSession(session) {
    write(this.tab, 'openkey.session', session && { ...session, token: toBase64(session.token) });
  }

  /**
   * The receipt of an account that was made in this browser.
   * @param {string} account hex
   * @returns {KeptReceipt | null}
   */
  receipt(account) {
    return read(this.local, `openkey.receipt.${account}`);
  }

  /**
   * @param {string} account hex
   * @param {KeptReceipt} receipt
   */
  keepReceipt(account, receipt) {
    write(this.local, `openkey.receipt.${account}`, receipt);
  }

  /**
   * What is remembered of the deployment behind this page: the verifier's own text, which it reads
   * strictly, so that a damaged one is refused and not taken for none.
   * @returns {string | null}
   */
  deployment() {
    try {
      return this.local.getItem('openkey.deployment');
    } catch {
      return null;
    }
  }

  /** @returns {number | null} since when, in milliseconds since 1970 */
  deploymentSince() {
    return read(this.local, 'openkey.deployment.since');
  }

  /**
   * @param {string | null} known null forgets it
   * @returns {boolean} whether the browser keeps it
   */
  keepDeployment(known) {
    try {
      if (known === null) this.local.removeItem('openkey.deployment');
      else this.local.setItem('openkey.deployment', known);
    } catch {
      // Full or forbidden: the page must not say that it remembers.
    }
    if (known === null) write(this.local, 'openkey.deployment.since', null);
    else if (this.deploymentSince() === null) write(this.local, 'openkey.deployment.since', Date.now());
    return this.deployment() === known;
  }

  /** @returns {Policy | null} a further condition of the visitor's own */
  policy() {
    return read(this.local, 'openkey.policy');
  }

  /** @param {Policy | null} policy */
  keepPolicy(policy) {
    write(this.local, 'openkey.policy', policy);
  }
}

/**
 * An address as lower-case hex digits.
 * @param {string | Uint8Array} address
 */
export function plain(address) {
  return (typeof address === 'string' ? address : toHex(address)).replace(/^0x/i, '').toLowerCase();
}

/**
 * @param {Area} area
 * @param {string} key
 * @returns {any}
 */
function read(area, key) {
  try {
    return JSON.parse(area.getItem(key) ?? 'null');
  } catch {
    return null;
  }
}

/**
 * @param {Area} area
 * @param {string} key
 * @param {unknown} value
 */
function write(area, key, value) {
  try {
    if (value === null) area.removeItem(key);
    else area.setItem(key, JSON.stringify(value));
  } catch {
    // Full or forbidden: the page works on without a memory.
  }
}
