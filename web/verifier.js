// The verifier crate compiled to WebAssembly: checks of documents, answers and receipts.
// It has no imports: nothing goes in but the bytes given, nothing comes out but the verdict.

import { Failure } from './errors.js';
import { toBase64, toHex } from './bytes.js';
import { adviceFor } from './rules.js';
import { foreign } from './words.js';

/** @import { Bytes, EnclaveError, Policy, PromptKind, Signed } from './messages.js' */

/**
 * @typedef {object} EvidenceReport who a document says is there, once every rule held
 * @property {string} module_id
 * @property {number} timestamp_ms
 * @property {Record<string, string>} measurements PCR index to hex
 * @property {boolean} simulator
 * @property {boolean} debug
 * @property {{ identity: string, configuration: string, root_source: string | null, root_id: string | null, release: string, epoch: number, tls_key: string | null, rollback: string, pending: string | null, withdrawn: string | null }} binding `pending` is `none`, `unknown`, or the hash of the list of successors, `withdrawn` the hash of the list of withdrawn manifests
 * @property {number} certificate_expires_ms
 * @property {string} root_sha256 of the root certificate
 */

/**
 * @typedef {object} Anchored an enclave that runs a release of the page's anchor, once every rule held
 * @property {EvidenceReport} evidence
 * @property {'first' | 'same' | 'explained'} history whether it is the deployment that this browser remembers
 * @property {{ release: string, epoch: number, manifest_sha256: string, not_after_ms: number, signers: number }} release
 * @property {{ sha256: string, rp_id: string, root_id: string | null, release_keys: string[], threshold: number, min_epoch: number, simulator: boolean }} anchor
 * @property {string} known what to remember of the deployment
 */

/** @typedef {{ label: string, value: string }} SummaryLine */
/** @typedef {{ severity: 'notice' | 'attention' | 'danger', text: string }} SummaryWarning */
/** @typedef {{ ability: string, words: string, severity: SummaryWarning['severity'] | null, within: number | null }} GrantedAbility */
/** @typedef {{ kind: 'data' | 'network' | 'token' | 'hosting' | 'unknown', resource: string, owner: string, scope: string, abilities: GrantedAbility[], reaches_secrets: boolean }} SummaryGrant */
/** @typedef {{ title: string, lines: SummaryLine[], grants: SummaryGrant[], warnings: SummaryWarning[], text: string | null, confirm: boolean }} Summary */

/**
 * @typedef {object} CheckedPrompt a prompt that answers what was asked, for this origin, in its time; bytes as hex
 * @property {PromptKind} kind
 * @property {string | null} account
 * @property {{ key: number, address: string } | null} key
 * @property {CheckedHead | null} head the record it was made for
 * @property {string} challenge
 * @property {string} digest
 * @property {string} origin
 * @property {number} issued_at
 * @property {number} expires_at
 * @property {Summary} summary
 */

/**
 * @typedef {object} CheckedReceipt a receipt whose signature, nonce and passkey held; bytes as hex
 * @property {string} account
 * @property {string} user_handle
 * @property {number} version
 * @property {number} issued_at
 * @property {string} rp_id
 * @property {string} nonce
 * @property {{ id: string, public_key_sha256: string }[]} credentials
 * @property {{ key: number, address: string }[]} keys addresses in EIP-55 form
 * @property {string} hash SHA-256 of the signed body
 */

/** @typedef {{ account: string, version: number, hash: string, entry: string }} CheckedHead */

/** @typedef {{ release: string, epoch: number, manifest_sha256: string, announced_at_ms: number, allowed_from_ms: number, consents: number[], consents_needed: number }} Successor an image that waits for the root key */

/**
 * @typedef {object} CheckedAnswer an answer whose signature, request hash, nonce and time held, and what it says
 * @property {number} at by the enclave’s clock
 * @property {EnclaveError | null} refused the enclave’s own refusal
 * @property {CheckedPrompt | null} prompt
 * @property {CheckedHead | null} head where the account stands; never behind the head that was sent
 * @property {{ key: number, address: string }[]} keys addresses in EIP-55 form
 * @property {string | null} above in a page of history: what the next page must begin with
 */

/**
 * @typedef {object} Exports
 * @property {WebAssembly.Memory} memory
 * @property {(length: number) => number} alloc
 * @property {(pointer: number, length: number) => void} dealloc
 * @property {(pointer: number, length: number) => number} call
 */

/** The loaded module. */
export class Verifier {
  /** @param {Exports} exports */
  constructor(exports) {
    this.exports = exports;
  }

  /**
   * @param {BufferSource} bytes of `verifier.wasm`
   */
  static async fromBytes(bytes) {
    const { instance } = await WebAssembly.instantiate(bytes, {});
    return new Verifier(/** @type {Exports} */ (/** @type {unknown} */ (instance.exports)));
  }

  /** Fetches the module that lies beside this page. */
  static async load() {
    try {
      const response = await fetch(new URL('verifier.wasm', import.meta.url), { credentials: 'omit' });
      if (!response.ok) throw new Error(`status ${response.status}`);
      return await Verifier.fromBytes(await response.arrayBuffer());
    } catch (cause) {
      throw new Failure('page', 'verifier_missing', {
        title: 'The verifier could not be loaded',
        message: 'Without it this page cannot check who it talks to, so it does nothing.',
        advice: 'Reload the page. WebAssembly must be allowed in this browser.',
        retry: true,
        cause,
      });
    }
  }

  /**
   * One check.
   * @param {Record<string, unknown>} request
   * @returns {any} what holds
   * @throws {Failure} naming the rule that does not
   */
  call(request) {
    const { memory, alloc, dealloc, call } = this.exports;
    const bytes = new TextEncoder().encode(JSON.stringify(request));
    const input = alloc(bytes.length);
    if (input === 0) throw new Failure('evidence', 'input', { ...adviceFor('input'), message: 'The answer is too long to be checked.' });
    new Uint8Array(memory.buffer, input, bytes.length).set(bytes);
    const output = call(input, bytes.length);
    dealloc(input, bytes.length);
    const length = new DataView(memory.buffer).getUint32(output, true);
    const json = new TextDecoder().decode(new Uint8Array(memory.buffer, output + 4, length));
    dealloc(output, length + 4);
    const verdict = JSON.parse(json);
    if (verdict.ok !== undefined) return verdict.ok;
    const rule = String(verdict.error?.rule ?? 'unknown');
    throw new Failure('evidence', rule, {
      ...adviceFor(rule),
      // It may repeat a member of a file that the host wrote.
      message: foreign(String(verdict.error?.message ?? 'The verifier gave no reason.'), 300),
    });
  }

  /**
   * @param {{ document: Bytes, nonce: Bytes, now: number, policy: Policy }} given
   * @returns {EvidenceReport}
   */
  evidence({ document, nonce, now, policy }) {
    return this.call({ op: 'evidence', document: toBase64(document), nonce: toHex(nonce), now_ms: now, policy });
  }

  /**
   * @param {{ document: Bytes, nonce: Bytes, now: number, host: string, anchor: Bytes, releases: string | null, known: string | null, policy: Policy | null }} given
   *   `policy` is the host's own: a further condition
   * @returns {Anchored}
   */
  anchored({ document, nonce, now, host, anchor, releases, known, policy }) {
    return this.call({
      op: 'anchored',
      document: toBase64(document),
      nonce: toHex(nonce),
      now_ms: now,
      host,
      anchor: toHex(anchor),
      ...(releases !== null && { releases }),
      ...(known !== null && { known }),
      ...(policy !== null && { policy }),
    });
  }

  /**
   * @param {string} identity hex
   * @param {Signed<'answer'>} signed
   * @param {{ call: Bytes, origin: string, now: number, above?: string | null }} asked `call`: the bytes that were
   *   sent; `above`: what the page of history before this one said
   * @returns {CheckedAnswer}
   */
  answer(identity, signed, { call, origin, now, above = null }) {
    return this.call({ op: 'answer', identity, ...parts(signed), call: toHex(call), origin, now_ms: now, ...(above === null ? {} : { above }) });
  }

  /**
   * @param {string} identity hex
   * @param {Signed<'receipt'>} signed
   * @param {{ nonce: Bytes, credential: Bytes, spki: Bytes }} own
   * @returns {CheckedReceipt}
   */
  receipt(identity, signed, { nonce, credential, spki }) {
    return this.call({
      op: 'receipt',
      identity,
      ...parts(signed),
      nonce: toHex(nonce),
      credential_id: toHex(credential),
      public_key_spki: toHex(spki),
    });
  }

  /**
   * @param {string} identity hex
   * @param {Signed<'answer'>} signed an answer to `status`, by the boot that gave the evidence
   * @param {{ call: Bytes, now: number, pending: string }} asked `pending`: the hash in that evidence
   * @returns {Successor[]}
   */
  successors(identity, signed, { call, now, pending }) {
    return this.call({ op: 'successors', identity, ...parts(signed), call: toHex(call), now_ms: now, pending });
  }
}

/** @param {Signed<unknown>} signed */
function parts(signed) {
  return { body: toHex(signed.body), signature: toHex(signed.signature) };
}
