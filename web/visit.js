// Whom this page talks to, as proven in this visit: asks for evidence over a fresh nonce, checks it,
// and believes only enclaves that passed.

import { answerIn, unsigned } from './api.js';
import { random } from './bytes.js';
import { asFailure, enclaveFailure, Failure, pageFailure } from './errors.js';
import { BRIEFLY, patiently } from './patience.js';

/** @import { Api } from './api.js' */
/** @import { Bytes, Config, Policy, Request, Response as Answer, Signed } from './messages.js' */
/** @import { Store } from './store.js' */
/** @import { CheckedAnswer, CheckedHead, CheckedReceipt, EvidenceReport, Verifier } from './verifier.js' */

/** Bytes of a nonce this page makes. */
const NONCE = 32;

/** @typedef {{ policy: Policy, source: 'host' | 'visitor' }} Chosen a policy and who chose it */
/** @typedef {{ report: EvidenceReport, document: Bytes, nonce: Bytes, at: number, source: Chosen['source'] }} Vouched evidence that passed */

/** Evidence of one visit. Tells `change` whenever its state does. */
export class Visit extends EventTarget {
  /**
   * @param {Api} api
   * @param {Config} config
   * @param {Store} store
   * @param {() => Promise<Verifier>} load
   * @param {string} [origin] this page's
   */
  constructor(api, config, store, load, origin = location.origin) {
    super();
    this.origin = origin;
    this.api = api;
    this.config = config;
    this.store = store;
    this.load = load;
    /** @type {Map<string, Vouched>} by identity key, oldest first */
    this.identities = new Map();
    /** @type {Failure | null} why the last check failed */
    this.failure = null;
    /** @type {Promise<Vouched> | null} a check under way */
    this.pending = null;
    /** @type {Verifier | null} */
    this.verifier = null;
  }

  /** The newest evidence that passed. */
  get current() {
    return [...this.identities.values()].at(-1) ?? null;
  }

  /**
   * @returns {Chosen | null} the visitor's policy, else the one the host serves
   */
  policy() {
    const own = this.store.policy();
    if (own) return { policy: own, source: 'visitor' };
    return this.config.policy ? { policy: this.config.policy, source: 'host' } : null;
  }

  /**
   * Takes another policy; what was proven under the old one no longer counts.
   * @param {Policy | null} policy null goes back to the served one
   */
  choose(policy) {
    this.store.keepPolicy(policy);
    this.identities.clear();
    this.failure = null;
    this.changed();
  }

  /** Evidence of this visit, asked for once. */
  async ensure() {
    return this.current ?? this.verify();
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
   * Asks for a document over a nonce and checks it against the chosen policy.
   * @param {Bytes} nonce
   * @returns {Promise<Vouched>}
   */
  async examine(nonce) {
    try {
      const chosen = this.policy();
      if (!chosen) throw noPolicy();
      const verifier = await this.module();
      const document = await patiently(() => this.api.evidence(nonce), { most: BRIEFLY });
      // Meanwhile somebody may have chosen another policy.
      if (JSON.stringify(this.policy()) !== JSON.stringify(chosen)) return await this.examine(nonce);
      const now = Date.now();
      const report = verifier.evidence({ document, nonce, now, policy: chosen.policy });
      const vouched = { report, document, nonce, at: now, source: chosen.source };
      this.identities.delete(report.binding.identity);
      this.identities.set(report.binding.identity, vouched);
      this.failure = null;
      return vouched;
    } catch (error) {
      this.failure = asFailure(error);
      throw this.failure;
    } finally {
      this.changed();
    }
  }

  /**
   * Asks the enclave. What comes back is its own answer, signed for this very request and given now.
   *
   * @template {Answer extends infer A ? A extends unknown ? keyof A : never : never} K
   * @param {Request} request
   * @param {K} expected the kind of answer
   * @param {string | null} [above] for a later page of history: what the page before said
   * @returns {Promise<CheckedAnswer & { answer: Extract<Answer, Record<K, unknown>>[K], nonce: Bytes }>}
   * @throws {Failure} of the enclave, which signed it; of the host or the network; or of a check
   */
  async ask(request, expected, above = null) {
    const { call, nonce, reply } = await this.api.send(request);
    if (!('answer' in reply)) throw unsigned(reply);
    const signed = reply.answer;
    const asked = { call, origin: this.origin, above };
    const checked = await this.#vouch((verifier, identity) => verifier.answer(identity, signed, { ...asked, now: Date.now() }));
    if (checked.refused) throw enclaveFailure(checked.refused);
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
   * Keeps the head of a checked answer: with the next request it must be continued.
   * @param {CheckedHead | null} head
   * @param {string | null} account hex; null if this browser knows none yet
   * @returns {CheckedHead}
   */
  keepHead(head, account) {
    if (head === null || (account !== null && head.account !== account)) throw pageFailure('head_account', 'The answer is about another account.');
    this.store.keepHead(head);
    return head;
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
    for (const [identity, evidence] of [...this.identities].reverse()) {
      try {
        return check(verifier, identity, evidence);
      } catch (error) {
        const caught = asFailure(error);
        // A wrong signature may only mean another boot; any other rule is the answer.
        if (caught.code !== 'statement_signature') throw caught;
        failure = caught;
      }
    }
    const known = new Set(this.identities.keys());
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

function noPolicy() {
  return new Failure('page', 'no_policy', {
    title: 'There is nothing to check the enclave against',
    message: 'The host serves no policy, and you gave none.',
    advice: 'Paste the policy file that the operator published under “Verify”.',
  });
}
