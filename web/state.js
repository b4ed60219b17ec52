// What the page knows while it is open: who it talks to, who is signed in, and the account as last read.

import { toHex } from './bytes.js';
import { Drafts } from './drafts.js';
import { asFailure, Failure, pageFailure } from './errors.js';
import { moved } from './heads.js';
import { BRIEFLY, patiently } from './patience.js';
import { plain } from './store.js';
import { Unsettled } from './unsettled.js';

/** @import { Api } from './api.js' */
/** @import { AccountView, Bytes, Config, HistoryPage, KnownHead, Query } from './messages.js' */
/** @import { Shown } from './heads.js' */
/** @import { Session, Store } from './store.js' */
/** @import { Visit } from './visit.js' */

/** Tells `session` when someone signs in or out, `account` when the account was read again. */
export class App extends EventTarget {
  /** How often the session changed on this page. */
  #changes = 0;

  /** @type {string | null} the sign-out in this browser that was noticed last */
  #out;

  /**
   * @param {Config} config
   * @param {Api} api
   * @param {Store} store
   * @param {Visit} visit
   */
  constructor(config, api, store, visit) {
    super();
    this.config = config;
    this.api = api;
    this.store = store;
    this.visit = visit;
    /** @type {Session | null} */
    this.session = store.session();
    this.#out = store.out;
    /** @type {AccountView | null} */
    this.account = null;
    /** @type {Map<string, string>} addresses that an enclave signed for in this visit, by account and key */
    this.addresses = new Map();
    /** What was typed and not used yet. */
    this.drafts = new Drafts();
    this.unsettled = new Unsettled(store.tab);
    /** @type {Failure | null} why nobody is signed in any more */
    this.ended = null;
    /** Whether the last sign-in made this browser remember the deployment. */
    this.remembered = false;
    /** Whether nothing of this page counts any more. */
    this.over = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    if (store.restore() && this.session) this.#lost();
    // A tab may outlive what its browser knew: what it is shown then, it takes as at the first time.
    if (this.session && store.head(this.session.account) === null) store.openSight(this.session.account, null);
    this.#arm();
  }

  /**
   * A number that changes with every sign-in and every sign-out, here or in another tab of this browser. What was
   * asked for under one number counts for nobody under another.
   */
  get generation() {
    const { out } = this.store;
    if (out !== this.#out) [this.#out, this.#changes] = [out, this.#changes + 1];
    return this.#changes;
  }

  #lost() {
    this.store.keepSession(null);
    [this.session, this.ended] = [null, memoryLost()];
  }

  /**
   * Ends the session if the browser has lost what it kept for it, or if somebody signed out in another tab. What this
   * page still knows counts on.
   * @throws {Failure}
   */
  checkMemory() {
    const { session } = this;
    const lost = this.store.restore();
    if (!session) return;
    const why = this.store.signedOut(session) ? signedOutElsewhere() : lost ? memoryLost() : null;
    if (why === null) return;
    // Not here: a view may be about to be shown.
    queueMicrotask(() => {
      if (this.session !== session) return;
      if (why.code === SIGNED_OUT) this.#forget();
      this.#end(why);
    });
    throw why;
  }

  /** Notices that somebody signed out in another tab of this browser, and ends the session then. */
  checkTabs() {
    // Now: whoever empties the storage afterwards does not undo it.
    void this.generation;
    if (!this.session || !this.store.signedOut(this.session)) return;
    this.#forget();
    this.#end(signedOutElsewhere());
  }

  /**
   * Somebody proved with a passkey who they are. This is the only way into a session, and it is closed to a proof that
   * was asked for before somebody else signed in or out: the host decides when an answer comes.
   * @param {Session} session
   * @param {number} began the generation in which the proof was asked for
   * @returns {boolean} whether it counts
   */
  signIn(session, began) {
    if (this.over || began !== this.generation) return false;
    this.#changes += 1;
    session.out = this.store.out;
    this.session = session;
    this.account = null;
    this.ended = null;
    this.remembered = this.visit.remember();
    this.store.keepSession(session);
    this.#arm();
    this.dispatchEvent(new Event('session'));
    return true;
  }

  /**
   * Drops the read token: if the person asked for it, in every tab of this browser.
   * @param {Failure | null} [why] null if the person asked for it
   */
  signOut(why = null) {
    if (why === null) {
      this.store.signOutEverywhere();
      this.#forget();
    }
    this.#end(why);
  }

  /** Whoever signs out leaves nothing in this tab for the next person to read. */
  #forget() {
    this.unsettled.forget(this.session?.account ?? null);
  }

  /** Drops the read token of this page for good: also of a sign-in that is under way. */
  stop() {
    this.over = true;
    this.#end(null);
  }

  /** @param {Failure | null} why */
  #end(why) {
    this.#changes += 1;
    this.session = null;
    this.account = null;
    this.ended = why;
    this.drafts.clear();
    this.store.keepSession(null);
    this.#arm();
    this.dispatchEvent(new Event('session'));
  }

  /** Ends the session on this page when the token does. */
  #arm() {
    clearTimeout(this.timer);
    if (!this.session) return;
    // An open dialog goes with its view: a signature must not be released where nobody sees it.
    this.timer = setTimeout(() => this.signOut(sessionEnded()), Math.max(0, this.session.expiresAt - Date.now()));
  }

  /**
   * Asks with the read token. Once the enclave refuses the token, nobody is signed in any more.
   * @template T
   * @param {string} account whose token it must be, hex
   * @param {(token: Bytes) => Promise<T>} ask
   * @returns {Promise<T>}
   */
  async withToken(account, ask) {
    this.checkMemory();
    const session = this.session;
    if (session?.account !== account) throw sessionEnded();
    try {
      const answer = await ask(session.token);
      // An answer counts for the session that asked for it, and for no other.
      if (this.session !== session) throw sessionEnded();
      return answer;
    } catch (error) {
      const failure = asFailure(error);
      if (failure.party !== 'enclave' || failure.code !== 'sign_in_needed') throw failure;
      const ended = notAccepted(failure);
      if (this.session === session) this.signOut(ended);
      throw ended;
    }
  }

  /**
   * @template {'account' | 'history'} K
   * @param {Query} query
   * @param {K} expected
   * @param {string | null} [above] what the page of history before this one said
   */
  async #read(query, expected, above = null) {
    const session = this.session;
    if (!session) throw sessionEnded();
    const { account } = session;
    const read = (/** @type {KnownHead | null} */ head) =>
      this.withToken(account, (token) => patiently(() => this.visit.ask({ read: { token, head, query } }, expected, above), { most: BRIEFLY }));
    /** @type {Shown[]} */
    const shown = [];
    let asked = this.store.head(account);
    for (;;) {
      const checked = await read(asked);
      shown.push({ asked, head: checked.head, at: checked.at });
      const open = await this.visit.keepHead(shown, account);
      if (this.session !== session) throw sessionEnded();
      if (open === null) return { ...checked, session };
      // Something newer was learned meanwhile, here or in other tabs: once more, from there.
      if (shown.length > this.store.heads(account).length) throw moved();
      asked = open;
    }
  }

  /**
   * Reads the account and holds every address to what was signed before.
   * @returns {Promise<AccountView>}
   */
  async refresh() {
    const { answer: view, keys, session } = await this.#read('account', 'account');
    if (this.session !== session) throw sessionEnded();
    if (toHex(view.account) !== session.account) throw pageFailure('head_account', 'The answer is about another account.');
    for (const { key, address } of keys) this.proven(session.account, key, address);
    this.account = view;
    if (session.name !== view.name) {
      session.name = view.name;
      this.store.keepSession(session);
    }
    this.dispatchEvent(new Event('account'));
    return view;
  }

  /** The account as last read, or read now. */
  async known() {
    return this.account ?? this.refresh();
  }

  /**
   * A page of history. Its entries are an unbroken chain that goes on where the page before ended.
   * @param {number | null} before
   * @param {number} limit
   * @param {string | null} [above] what the page before said
   * @returns {Promise<HistoryPage & { above: string | null }>}
   */
  async history(before, limit, above = null) {
    const checked = await this.#read({ history: { before, limit } }, 'history', above);
    return { ...checked.answer, above: checked.above };
  }

  /**
   * An enclave signed that a key of an account has this address.
   * @param {string} account hex
   * @param {number} key
   * @param {string} address in EIP-55 form
   * @throws {Failure} if an enclave signed another one before
   */
  proven(account, key, address) {
    const id = `${account} ${key}`;
    const known = this.addresses.get(id) ?? this.store.addresses(account)[key];
    if (known !== undefined && plain(known) !== plain(address)) throw addressChanged(key);
    if (known === undefined) this.store.keepAddress(account, key, address);
    this.addresses.set(id, known ?? address);
  }

  /**
   * The address of a key, if an enclave has signed for it in front of this browser. A browser that
   * refuses storage knows those of this visit.
   * @param {number} key
   * @param {string | undefined} [account] hex; of whoever is signed in unless named
   * @returns {string | null} in EIP-55 form
   */
  addressOf(key, account = this.session?.account) {
    if (account === undefined) return null;
    return this.addresses.get(`${account} ${key}`) ?? this.store.addresses(account)[key] ?? null;
  }
}

function sessionEnded() {
  return new Failure('page', 'session_ended', {
    title: 'You are signed out',
    message: 'Reading the account and asking for prompts end fifteen minutes after a sign-in.',
    advice: 'Sign in again with your passkey.',
  });
}

/**
 * The enclave no longer takes what this browser believes to hold still: their clocks differ, or the enclave
 * started again.
 * @param {Failure} failure
 */
function notAccepted(failure) {
  return new Failure('enclave', 'session_ended', {
    title: 'You are signed out',
    message: 'The enclave no longer accepts this sign-in: it is older than fifteen minutes by the enclave’s clock, its passkey was removed, or the enclave started again.',
    advice: 'Sign in again with your passkey.',
    cause: failure,
  });
}

const SIGNED_OUT = 'signed_out';

function signedOutElsewhere() {
  return new Failure('page', SIGNED_OUT, {
    title: 'You are signed out',
    message: 'Somebody signed out in another tab of this browser.',
    advice: 'Sign in again with your passkey.',
  });
}

function memoryLost() {
  return new Failure('page', 'memory_lost', {
    title: 'This browser lost what it remembered',
    message: 'While you were signed in, the browser’s storage of this page was emptied: by somebody who cleared it here, or by whoever serves this page. You are signed out. What this page still knew is kept again.',
    advice: 'If you did not clear it yourself, tell the operator. After you sign in, compare passkeys and history with what you remember.',
  });
}

/** @param {number} key */
function addressChanged(key) {
  return pageFailure('address_changed', `The address of key ${key} is not the one an enclave signed for before.`);
}
