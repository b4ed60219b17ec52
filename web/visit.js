// Whom this page talks to, as proven in this visit: asks for evidence over a fresh nonce, checks it
// under the page's anchor and what this browser remembers, and believes only enclaves that passed.

import { beside } from './anchor.js';
import { answerIn, unsigned } from './api.js';
import { random, toHex } from './bytes.js';
import { asFailure, enclaveFailure, networkFailure, pageFailure } from './errors.js';
import { keepHead, moved } from './heads.js';
import { epochOf } from './merging.js';
import { BRIEFLY, patiently } from './patience.js';
import { accept, isRefusal } from './standing.js';

/** @import { Api } from './api.js' */
/** @import { Beside } from './anchor.js' */
/** @import { Failure } from './errors.js' */
/** @import { Accepted } from './standing.js' */
/** @import { Shown } from './heads.js' */
/** @import { Bytes, Config, EnclaveError, KnownHead, Policy, Request, Response as Answer, Signed } from './messages.js' */
/** @import { Store } from './store.js' */
/** @import { CheckedAnswer, CheckedReceipt, EvidenceReport, Successor, Verifier } from './verifier.js' */

/** Bytes of a nonce this page makes. */
const NONCE = 32;

/** How long evidence serves for what comes next, in milliseconds: then it, and the list of releases, is asked for again. */
export const FRESH = 5 * 60_000;

/** How long an enclave vouches for answers that were on their way meanwhile. */
const LATE = 5 * 60_000;

/** @typedef {Accepted & { successors: Successor[] | null, handedOver: boolean, document: Bytes, nonce: Bytes, at: number }} Vouched evidence that passed; `successors` is null where the evidence does not say which images wait; `handedOver`: the same boot signed that its root key went to one of them */

/** Evidence of one visit. Tells `change` whenever its state does. */
export class Visit extends EventTarget {
  /**
   * @param {Api} api
   * @param {Config} config
   * @param {Store} store
   * @param {() => Promise<Verifier>} load
   * @param {() => Promise<Beside>} [served]
   * @param {Pick<Location, 'hostname' | 'origin'>} [place] of this page
   */
  constructor(api, config, store, load, served = beside, place = location) {
    super();
    this.served = served;
    this.host = place.hostname;
    this.origin = place.origin;
    /** @type {Beside['anchor'] | undefined} of this page: one visit has one */
    this.anchor = undefined;
    this.api = api;
    this.config = config;
    this.store = store;
    this.load = load;
    /** @type {Map<string, Vouched>} by identity key, oldest first */
    this.identities = new Map();
    /** @type {Accepted['anchored']} of all that passed since somebody last forgot the deployment: the newest of the highest epoch that counts */
    this.highest = null;
    this.forgotten = store.forgotten;
    /** @type {Failure | null} why the last check failed */
    this.failure = null;
    /** @type {Promise<Vouched> | null} a check under way */
    this.pending = null;
    /** @type {Verifier | null} */
    this.verifier = null;
    /** Under which conditions the identities passed. */
    this.conditions = this.#conditions();
    api.addEventListener?.('reach', () => {
      if (!this.away && this.failure && !isRefusal(this.failure)) this.failure = null;
      this.changed();
    });
  }

  /** The newest evidence that passed, under the conditions of this moment. */
  get current() {
    return this.#counting().at(-1)?.[1] ?? null;
  }

  /** When evidence is to be asked for again, in milliseconds since 1970. */
  get until() {
    const { current } = this;
    return current === null ? null : Math.min(current.at + FRESH, current.anchored?.release.not_after_ms ?? Infinity);
  }

  /** The identities that still count, oldest first. */
  #counting() {
    // Another tab may have chosen a policy or remembered a deployment.
    if (this.conditions !== this.#conditions()) this.#begin();
    const now = Date.now();
    for (const [identity, { at, anchored }] of this.identities) {
      // A clock that was set back proves no age.
      const aged = Math.abs(now - at) >= FRESH + LATE;
      if (aged || (anchored !== null && anchored.release.not_after_ms <= now)) this.identities.delete(identity);
    }
    return [...this.identities];
  }

  /** Why the enclave cannot be reached just now. */
  get away() {
    if (this.api.away) return this.api.away;
    return globalThis.navigator?.onLine === false ? networkFailure(null) : null;
  }

  #conditions() {
    return JSON.stringify([this.store.policy(), this.#known()]);
  }

  /** What an enclave has to satisfy: what this browser remembers, at no lower epoch than this tab has seen. */
  #known() {
    const { forgotten } = this.store;
    if (forgotten !== this.forgotten) [this.forgotten, this.highest] = [forgotten, null];
    return this.highest ? this.store.raiseDeployment(this.highest.known) : this.store.deployments();
  }

  /** What was proven under other conditions no longer counts, but for the highest epoch: that was seen. */
  #begin() {
    this.identities.clear();
    this.failure = null;
    this.conditions = this.#conditions();
  }

  /**
   * Takes a policy of the visitor's own as a further condition.
   * @param {Policy | null} policy null: no further condition
   */
  choose(policy) {
    this.store.keepPolicy(policy);
    this.#begin();
    this.changed();
  }

  /**
   * Remembers the deployment, at the first sign-up or sign-in in this browser: with the highest epoch that an enclave
   * proved to this page, whichever enclave came last.
   * @returns {boolean} whether it is remembered only now
   */
  remember() {
    const known = this.#known();
    const { current, highest } = this;
    if (!current?.anchored || !highest || known.length > 0) return false;
    const kept = this.store.keepDeployment(highest.known);
    this.conditions = this.#conditions();
    // The others were not held to it.
    for (const [identity, { anchored }] of this.identities) if (anchored !== highest) this.identities.delete(identity);
    return kept;
  }

  /** Forgets the deployment: the next enclave is taken as at a first visit. */
  forget() {
    this.store.keepDeployment(null);
    this.#begin();
    this.changed();
  }

  /** Evidence of this visit, asked for again when it is some minutes old. */
  async ensure() {
    const { current, until } = this;
    return current && until !== null && Date.now() < until ? current : this.verify();
  }

  /** Asks for evidence over a fresh nonce and checks it. */
  verify() {
    this.pending ??= this.examine(random(NONCE)).finally(() => {
      this.pending = null;
      this.changed();
    });
    this.changed();
    return this.pending;
  }

  /**
   * Asks for a document over a nonce and checks it.
   * @param {Bytes} nonce
   * @param {boolean} [again] whether a mismatch of the list of successors is the second one
   * @returns {Promise<Vouched>}
   */
  async examine(nonce, again = false) {
    try {
      const verifier = await this.module();
      const served = await patiently(this.served, { most: BRIEFLY });
      this.anchor ??= served.anchor;
      const { anchor } = this;
      const document = await patiently(() => this.api.evidence(nonce), { most: BRIEFLY });
      const judge = () => {
        // Read now: meanwhile somebody may have chosen another policy.
        const [own, known, now] = [this.store.policy(), this.#known(), Date.now()];
        const given = { document, nonce, now, policy: this.config.policy, own, host: this.host, anchor, releases: served.releases };
        // What this page remembers, and what another tab does: each can only refuse.
        const [first = null, ...more] = known;
        const judged = [first, ...more].map((one) => accept(verifier, { ...given, known: one }));
        // Each of them knows of an epoch, and one of these is the highest.
        const [highest = null] = judged.flatMap(({ anchored }) => anchored ?? []).sort((one, other) => epochOf(other.known) - epochOf(one.known));
        return { known, now, highest, accepted: /** @type {Accepted} */ (judged.at(-1)) };
      };
      /** @type {Pick<Vouched, 'successors' | 'handedOver'>} */
      let waiting;
      try {
        waiting = await this.#successors(verifier, judge().accepted.report);
      } catch (error) {
        // Between the two answers the list may have changed, or the enclave started again: once more,
        // with new evidence.
        if (again || !['successors_differ', 'statement_signature'].includes(asFailure(error).code)) throw error;
        return await this.examine(nonce, true);
      }
      const { known, now, highest, accepted } = judge();
      // A higher epoch, or keys that a chain of releases explains, are remembered at once. Whatever passed under
      // other conditions counts no longer: it is asked for evidence again.
      if (known.length > 0 && highest) this.store.keepDeployment(highest.known);
      if (this.conditions !== this.#conditions()) this.#begin();
      const vouched = { ...accepted, ...waiting, document, nonce, at: now };
      // By what counts: an image without the root key has served nobody.
      if (highest && epochOf(highest.known) >= epochOf(this.highest?.known ?? '')) this.highest = highest;
      const { identity } = accepted.report.binding;
      this.identities.delete(identity);
      this.identities.set(identity, vouched);
      this.failure = null;
      return vouched;
    } catch (error) {
      this.failure = asFailure(error);
      // Whoever is refused now does not go on because of what was accepted before.
      if (isRefusal(this.failure)) this.identities.clear();
      throw this.failure;
    } finally {
      this.changed();
    }
  }

  /**
   * The images that wait for the root key, or of which one has it. The evidence names the list by its hash; a status
   * that the same boot signs says which they are, and whether the root key went to one.
   * @param {Verifier} verifier
   * @param {EvidenceReport} report
   * @returns {Promise<Pick<Vouched, 'successors' | 'handedOver'>>}
   */
  async #successors(verifier, { binding: { identity, pending } }) {
    if (pending === 'none') return { successors: [], handedOver: false };
    if (!pending || pending === 'unknown') return { successors: null, handedOver: false };
    return patiently(async () => {
      const { call, reply } = await this.api.send('status');
      if (!('answer' in reply)) throw unsigned(reply);
      const [signed, now] = [reply.answer, Date.now()];
      const { refused } = verifier.answer(identity, signed, { call, origin: this.origin, now });
      if (refused) throw this.#refused(refused);
      const successors = verifier.successors(identity, signed, { call, now, pending });
      return { successors, handedOver: answerIn(signed, 'status').root?.state === 'handed_over' };
    }, { most: BRIEFLY });
  }

  /**
   * The enclave's own refusal.
   * @param {EnclaveError} refused
   */
  #refused(refused) {
    const failure = enclaveFailure(refused);
    this.api.refused(failure);
    return failure;
  }

  /**
   * Asks the enclave. What comes back is its own answer, signed for this very request and given now.
   *
   * @template {Answer extends infer A ? A extends unknown ? keyof A : never : never} K
   * @param {Request} request
   * @param {K} expected the kind of answer
   * @param {string | null} [above] for a later page of history: what the page before said
   * @returns {Promise<CheckedAnswer & { answer: Extract<Answer, Record<K, unknown>>[K], nonce: Bytes, evidence: Vouched }>}
   *   `evidence` is of the enclave whose key signed the answer
   * @throws {Failure} of the enclave, which signed it; of the host or the network; or of a check
   */
  async ask(request, expected, above = null) {
    const { call, nonce, reply } = await this.api.send(request);
    if (!('answer' in reply)) throw unsigned(reply);
    const signed = reply.answer;
    const asked = { call, origin: this.origin, above };
    const checked = await this.#vouch((verifier, identity, evidence) => ({ ...verifier.answer(identity, signed, { ...asked, now: Date.now() }), evidence }));
    if (checked.refused) throw this.#refused(checked.refused);
    return { ...checked, answer: answerIn(signed, expected), nonce };
  }

  /**
   * Checks a receipt against this browser's own authenticator.
   * @param {Signed<'receipt'>} signed
   * @param {{ nonce: Bytes, credential: Bytes, spki: Bytes }} own
   * @returns {Promise<CheckedReceipt & { evidence: Vouched }>}
   */
  checkReceipt(signed, own) {
    return this.#vouch((verifier, identity, evidence) => ({ ...verifier.receipt(identity, signed, own), evidence }));
  }

  /**
   * Keeps the head that an answer showed as current: with the next request it must be continued, by nothing that was
   * kept back when the answer was given.
   * @param {Shown[]} shown what answers showed, the one to keep last
   * @param {string | null} account hex; null if this browser knows none yet
   * @returns {Promise<KnownHead | null>} a head that was learned since the call was made, and that the answer was not
   *   shown to continue: then it is not kept, and counts for nothing until it was
   */
  async keepHead(shown, account) {
    const head = shown.at(-1)?.head ?? null;
    if (head === null || (account !== null && head.account !== account)) throw pageFailure('head_account', 'The answer is about another account.');
    return keepHead(this.store, shown);
  }

  /**
   * Holds an answer to all that this browser knows of its account, also to what it learned meanwhile: then the account
   * is read from each such head, and must stand exactly where the answer says.
   * @param {Shown} shown
   * @param {string | null} account hex; null if this browser knows none yet
   * @param {Bytes | null} token to read with
   */
  async hold(shown, account, token) {
    /** @type {Shown[]} */
    const reads = [];
    for (;;) {
      const open = await this.keepHead([...reads, shown], account);
      if (open === null) return;
      if (token === null || reads.length >= this.store.heads(toHex(open.head.account)).length) throw moved();
      const { head, at } = await patiently(() => this.ask({ read: { token, head: open, query: 'account' } }, 'account'), { most: BRIEFLY });
      reads.push({ asked: open, head, at });
    }
  }

  /**
   * Runs a check with the identities proven in this visit, newest first. After a restart the
   * enclave signs with a new one: then its evidence is asked for and checked before it counts.
   *
   * @template T
   * @param {(verifier: Verifier, identity: string, evidence: Vouched) => T} check
   * @returns {Promise<T>}
   */
  async #vouch(check) {
    const verifier = await this.module();
    /** @type {Failure | null} */
    let failure = null;
    const counting = this.#counting();
    for (const [identity, evidence] of [...counting].reverse()) {
      try {
        return check(verifier, identity, evidence);
      } catch (error) {
        const caught = asFailure(error);
        // A wrong signature may only mean another boot; any other rule is the answer.
        if (caught.code !== 'statement_signature') throw caught;
        failure = caught;
      }
    }
    const known = new Set(counting.map(([identity]) => identity));
    const fresh = await this.verify();
    const identity = fresh.report.binding.identity;
    if (failure && known.has(identity)) throw failure;
    return check(verifier, identity, fresh);
  }

  /** The verifier, loaded once. */
  async module() {
    this.verifier ??= await this.load();
    return this.verifier;
  }

  changed() {
    this.dispatchEvent(new Event('change'));
  }
}
