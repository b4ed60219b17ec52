// What this browser keeps: per account the newest head it saw, when it was shown last, and the addresses an enclave has
// signed for (localStorage), the read token of this tab (sessionStorage), a visitor's own policy, and
// the deployment that somebody signed up or in with here. What others must not take away is copied, see `copies.js`.

import { fromBase64, fromHex, random, toBase64, toHex } from './bytes.js';
import { Copies } from './copies.js';
import { FINISHED, higher, parsed, sameDeployment, UNFINISHED } from './merging.js';

/** @import { Bytes, KnownHead, Policy } from './messages.js' */

const DEPLOYMENT = 'openkey.deployment';

/** When somebody forgot the deployment here: copies from before count no longer. */
const FORGOTTEN = 'openkey.deployment.forgotten';
const NEVER = 'never';

const POLICY = 'openkey.policy';

/** In the place of what was taken at a first sight. It stays: another tab would miss what goes. */
const COMPARED = '"compared"';

/** The session of this tab, with its read token. */
const SESSION = 'openkey.session';

/** The last sign-out in this browser. */
const SIGNED_OUT = 'openkey.signed-out';

/** Bytes of the name of a sign-out. */
const OUT = 8;

/** @typedef {{ version: number, hash: string, entry: string, shownAt: number }} Kept a head as it is kept, bytes as hex */

/** @typedef {{ account: string, userHandle: string, token: Bytes, expiresAt: number, name: string, out?: string | null }} Session
 *   `account` and `userHandle` as hex; `out` names the last sign-out in this browser before it */

/** @typedef {{ passkeys: number, newest: { title: string, at: number } | null, before: boolean }} Sight what a browser took of an account that it did not know; `before`: the newest decision is the one before the sign-in */

/** @typedef {{ entry: string | null, sight: Sight | null }} Unseen an account that this browser took without an earlier state, and that nobody has compared yet: `entry` is the digest of the sign-in that showed it, hex; `sight` what was shown then, once it was read */

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
   * Whether the browser has lost what it was known to keep. Then it gets it back, and what somebody forgot stays forgotten.
   * @returns {boolean}
   */
  restore() {
    this.deployments();
    return this.copies.restore();
  }

  /**
   * Another tab has written something. It counts here even if the browser loses it before anybody reads it.
   * @param {string} key
   * @param {string | null} text null if it was removed
   * @param {string | null} before
   */
  hear(key, text, before) {
    if (text === null) return;
    // What was written before somebody forgot it counts no longer.
    if (key === FORGOTTEN && text !== NEVER) for (const one of [DEPLOYMENT, FORGOTTEN]) this.copies.drop(one);
    else this.deployments();
    this.copies.hear(key, text, before);
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
   * The heads that an answer has to continue: this page's, and others that the browser had from another tab.
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
   * Notes that this browser takes an account of which it has no earlier state.
   * @param {string} account hex
   * @param {string | null} entry the digest of the sign-in that shows it, hex
   */
  openSight(account, entry) {
    this.copies.put(sightOf(account), JSON.stringify({ entry, sight: null }));
  }

  /**
   * What this browser took of an account that it did not know, until somebody has compared it: in every tab, and
   * whoever signs in to the account.
   * @param {string} account hex
   * @returns {Unseen | null}
   */
  unseen(account) {
    const kept = this.copies.all(sightOf(account));
    return kept.includes(COMPARED) ? null : parsed(kept[0] ?? 'null');
  }

  /**
   * @param {string} account hex
   * @param {Sight} sight what was shown
   */
  keepSight(account, sight) {
    const open = this.unseen(account);
    if (open) this.copies.put(sightOf(account), JSON.stringify({ ...open, sight }));
  }

  /**
   * The person has compared it with what they remember.
   * @param {string} account hex
   */
  closeSight(account) {
    this.copies.put(sightOf(account), COMPARED);
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
    // It stays: another tab that waited for it would miss what goes, and bring it back.
    this.copies.put(`openkey.unfinished.${userHandle}`, FINISHED);
  }

  /**
   * Notes that a passkey with this user handle was made for a sign-up that is not finished.
   * @param {string} userHandle hex
   */
  beginAccount(userHandle) {
    if (!this.isFinished(userHandle)) this.copies.put(`openkey.unfinished.${userHandle}`, UNFINISHED);
  }

  /**
   * Whether this browser has seen, in any of its tabs, whose account this user handle leads to.
   * @param {string} userHandle hex
   */
  isFinished(userHandle) {
    return this.account(userHandle) !== null || this.copies.all(`openkey.unfinished.${userHandle}`).includes(FINISHED);
  }

  /**
   * Whether a passkey with this user handle was made here for a sign-up that has given no receipt. The
   * account behind it is nobody's this browser knows.
   * @param {string} userHandle hex
   * @returns {boolean}
   */
  isUnfinished(userHandle) {
    return !this.isFinished(userHandle) && this.copies.all(`openkey.unfinished.${userHandle}`).includes(UNFINISHED);
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

  /**
   * The name of the last sign-out in this browser. It is random: a count could come back after the storage was emptied.
   * @returns {string | null}
   */
  get out() {
    return this.copies.all(SIGNED_OUT)[0] ?? null;
  }

  /** Ends the sessions of every tab of this browser. */
  signOutEverywhere() {
    this.copies.put(SIGNED_OUT, toHex(random(OUT)));
  }

  /**
   * Whether somebody signed out in this browser since a session began.
   * @param {Pick<Session, 'out'>} session
   */
  signedOut({ out = null }) {
    return this.out !== out;
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
   * What an enclave has to satisfy: what this page remembers, and what the browser has or had from another tab.
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

  /** @returns {string | null} names the last time that somebody forgot the deployment here */
  get forgotten() {
    this.deployments();
    const [own = null] = this.copies.all(FORGOTTEN);
    return own === NEVER ? null : own;
  }

  /**
   * An enclave of this epoch was seen here. It counts if it is of a deployment that is remembered.
   * @param {string} known as the verifier wrote it
   */
  raiseDeployment(known) {
    if (this.deployments().some((one) => sameDeployment(one, known) && higher(one, known) !== one)) this.copies.hear(DEPLOYMENT, known, null);
    return this.deployments();
  }

  /** @returns {number | null} since when, in milliseconds since 1970 */
  deploymentSince() {
    return read(this.local, 'openkey.deployment.since');
  }

  /**
   * @param {string | null} known null forgets it; otherwise it takes the place of all that is remembered, at the highest
   *   epoch that any tab has seen of it
   * @returns {boolean} whether the browser keeps it
   */
  keepDeployment(known) {
    if (known === null) {
      // In this order: no tab misses what goes before it learns why.
      this.copies.put(FORGOTTEN, String(Date.now()));
      this.copies.put(DEPLOYMENT, null);
      write(this.local, 'openkey.deployment.since', null);
      return true;
    }
    if (this.copies.all(FORGOTTEN).length === 0) this.copies.put(FORGOTTEN, NEVER);
    const kept = this.copies.put(DEPLOYMENT, this.deployments().reduce(higher, known));
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

/** @param {string} account hex */
function sightOf(account) {
  return `openkey.sight.${account}`;
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
