// What the page knows while it is open: who it talks to, who is signed in, and the account as last read.

import { Drafts } from './drafts.js';
import { asFailure, Failure, pageFailure } from './errors.js';
import { BRIEFLY, patiently } from './patience.js';
import { plain } from './store.js';
import { Unsettled } from './unsettled.js';

/** @import { Api } from './api.js' */
/** @import { AccountView, Bytes, Config, HistoryPage, Query } from './messages.js' */
/** @import { Session, Store } from './store.js' */
/** @import { Visit } from './visit.js' */

/** Tells `session` when someone signs in or out, `account` when the account was read again. */
export class App extends EventTarget {
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
    /** @type {AccountView | null} */
    this.account = null;
    /** @type {Map<string, string>} addresses that an enclave signed for in this visit, by account and key */
    this.addresses = new Map();
    /** What was typed and not used yet. */
    this.drafts = new Drafts();
    this.unsettled = new Unsettled();
    /** @type {Failure | null} why nobody is signed in any more */
    this.ended = null;
    /** Whether the last sign-in made this browser remember the deployment. */
    this.remembered = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.#arm();
  }

  /**
   * Somebody proved with a passkey who they are.
   * @param {Session} session
   */
  signIn(session) {
    this.session = session;
    this.account = null;
    this.ended = null;
    this.remembered = this.visit.remember();
    this.store.keepSession(session);
    this.#arm();
    this.dispatchEvent(new Event('session'));
  }

  /**
   * Drops the read token.
   * @param {Failure | null} [why] null if the person asked for it
   */
  signOut(why = null) {
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
    const session = this.session;
    if (session?.account !== account) throw sessionEnded();
    try {
      return await ask(session.token);
    } catch (error) {
      const failure = asFailure(error);
      if (failure.party !== 'enclave' || failure.code !== 'sign_in_needed') throw failure;
      if (this.session === session) this.signOut(sessionEnded());
      throw sessionEnded();
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
    const head = this.store.head(session.account);
    const read = (/** @type {Bytes} */ token) => this.visit.ask({ read: { token, head, query } }, expected, above);
    const checked = await this.withToken(session.account, (token) => patiently(() => read(token), { most: BRIEFLY }));
    this.visit.keepHead(checked.head, session.account, checked.at);
    return checked;
  }

  /**
   * Reads the account and holds every address to what was signed before.
   * @returns {Promise<AccountView>}
   */
  async refresh() {
    const { answer: view, keys } = await this.#read('account', 'account');
    const session = this.session;
    if (!session) throw sessionEnded();
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
   * @returns {string | null} in EIP-55 form
   */
  addressOf(key) {
    if (!this.session) return null;
    const { account } = this.session;
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

/** @param {number} key */
function addressChanged(key) {
  return pageFailure('address_changed', `The address of key ${key} is not the one an enclave signed for before.`);
}
