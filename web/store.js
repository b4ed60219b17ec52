// What this browser keeps: per account the newest head it saw, when it was shown last, and the addresses an enclave has
// signed for (localStorage), the read token of this tab (sessionStorage), a visitor's own policy, and
// the deployment that somebody signed up or in with here. What others must not take away is copied, see `copies.js`.

import { fromBase64, fromHex, toBase64, toHex } from './bytes.js';
import { Copies } from './copies.js';

/** @import { Bytes, KnownHead, Policy } from './messages.js' */

const DEPLOYMENT = 'openkey.deployment';

/** When somebody forgot the deployment here: copies from before count no longer. */
const FORGOTTEN = 'openkey.deployment.forgotten';
const NEVER = 'never';

const POLICY = 'openkey.policy';

/** The session of this tab, with its read token. */
const SESSION = 'openkey.session';

/** How often somebody signed out in this browser. */
export const SIGNED_OUT = 'openkey.signed-out';

/** @typedef {{ account: string, userHandle: string, token: Bytes, expiresAt: number, name: string, first?: boolean, entry?: string, sight?: Sight, outs?: number }} Session
 *   `account` and `userHandle` as hex; `first` if this browser had no head of the account; `entry` is the digest of the
 *   sign-in, hex; `sight` what was shown then; `outs` how often somebody had signed out in this browser */

/** @typedef {{ passkeys: number, newest: { title: string, at: number } | null, before: boolean }} Sight what a browser took of an account that it did not know; `before`: the newest decision is the one before the sign-in */

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
    this.copies = new Copies(() => this.local, tab);
  }

  /**
   * The newest head that this page knows of an account, and when it was shown last by the enclave's clock. What the
   * browser has from another tab comes second.
   * @param {string} account hex
   * @returns {KnownHead | null}
   */
  head(account) {
    return this.heads(account)[0] ?? null;
  }

  /**
   * The heads that an answer has to continue: this page's, and another one that the browser has from another tab.
   * @param {string} account hex
   * @returns {KnownHead[]}
   */
  heads(account) {
    /** @type {KnownHead[]} */
    const heads = [];
    for (const text of this.copies.all(headOf(account))) {
      const kept = parsed(text);
      if (!kept) continue;
      const same = heads.find(({ head }) => toHex(head.hash) === kept.hash);
      if (same) same.shown_at = Math.max(same.shown_at, kept.shownAt);
      else heads.push({ head: { account: fromHex(account), version: kept.version, hash: fromHex(kept.hash), entry: fromHex(kept.entry) }, shown_at: kept.shownAt });
    }
    return heads;
  }

  /**
   * Puts a head in the place of all that are kept of its account; `keepHead` in `heads.js` says when it may.
   * @param {{ account: string, version: number, hash: string, entry: string }} head
   * @param {number} shownAt when the answer was given that showed it as current, by the enclave's clock
   */
  putHead({ account, version, hash, entry }, shownAt) {
    this.copies.put(headOf(account), JSON.stringify({ version, hash, entry, shownAt }));
  }

  /**
   * The account that a user handle led to before.
   * @param {string} userHandle hex
   * @returns {string | null} hex
   */
  account(userHandle) {
    return parsed(this.copies.all(`openkey.account.${userHandle}`)[0] ?? 'null');
  }

  /**
   * @param {string} userHandle hex
   * @param {string} account hex
   */
  keepAccount(userHandle, account) {
    this.copies.put(`openkey.account.${userHandle}`, JSON.stringify(account));
    this.copies.put(`openkey.unfinished.${userHandle}`, null);
  }

  /**
   * Notes that a passkey with this user handle was made for a sign-up that is not finished.
   * @param {string} userHandle hex
   */
  beginAccount(userHandle) {
    this.copies.put(`openkey.unfinished.${userHandle}`, 'true');
  }

  /**
   * Whether a passkey with this user handle was made here for a sign-up that never gave a receipt. The
   * account behind it is nobody's this browser knows.
   * @param {string} userHandle hex
   * @returns {boolean}
   */
  isUnfinished(userHandle) {
    return this.copies.all(`openkey.unfinished.${userHandle}`)[0] === 'true';
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
    const kept = read(this.tab, SESSION);
    return kept && kept.expiresAt > Date.now() && !this.signedOut(kept) ? { ...kept, token: fromBase64(kept.token) } : null;
  }

  /** How often somebody signed out in this browser. */
  get outs() {
    return Number(read(this.local, SIGNED_OUT) ?? 0);
  }

  /** Ends the sessions of every tab of this browser. */
  signOutEverywhere() {
    write(this.local, SIGNED_OUT, this.outs + 1);
  }

  /**
   * Whether somebody signed out in this browser since a session began.
   * @param {Pick<Session, 'outs'>} session
   */
  signedOut({ outs = 0 }) {
    return this.outs > outs;
  }

  /** @param {Session | null} session null forgets it */
  keepSession(session) {
    write(this.tab, SESSION, session && { ...session, token: toBase64(session.token) });
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
    return this.deployments().at(-1) ?? null;
  }

  /**
   * What an enclave has to satisfy: what this page remembers, and what the browser has from another tab.
   * @returns {string[]}
   */
  deployments() {
    // Somebody forgot it in another tab.
    const [own, there] = this.copies.all(FORGOTTEN);
    if (own !== undefined && there !== undefined && there !== NEVER) {
      this.copies.drop(DEPLOYMENT);
      this.copies.take(FORGOTTEN);
    }
    return this.copies.all(DEPLOYMENT);
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
    if (known === null) {
      this.copies.put(DEPLOYMENT, null);
      this.copies.put(FORGOTTEN, String(Date.now()));
      write(this.local, 'openkey.deployment.since', null);
      return true;
    }
    if (this.copies.all(FORGOTTEN).length === 0) this.copies.put(FORGOTTEN, NEVER);
    const kept = this.copies.put(DEPLOYMENT, known);
    if (this.deploymentSince() === null) write(this.local, 'openkey.deployment.since', Date.now());
    return kept;
  }

  /** @returns {Policy | null} a further condition of the visitor's own */
  policy() {
    return parsed(this.copies.all(POLICY).at(-1) ?? 'null');
  }

  /** @param {Policy | null} policy */
  keepPolicy(policy) {
    this.copies.put(POLICY, JSON.stringify(policy));
  }
}

/**
 * Drops the read token that this tab keeps, for a page that does not go on.
 * @param {() => Area} [tab] a browser that refuses storage keeps none
 */
export function dropToken(tab = () => sessionStorage) {
  try {
    write(tab(), SESSION, null);
  } catch {
    // There is none.
  }
}

/**
 * An address as lower-case hex digits.
 * @param {string | Uint8Array} address
 */
export function plain(address) {
  return (typeof address === 'string' ? address : toHex(address)).replace(/^0x/i, '').toLowerCase();
}

/** @param {string} account hex */
function headOf(account) {
  return `openkey.head.${account}`;
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
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
