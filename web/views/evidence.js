// Evidence that passed, in words.

import { h, icon } from '../dom.js';
import { standing } from '../standing.js';
import { copyable, facts, notice, when } from '../ui.js';

/** @import { Child } from '../dom.js' */
/** @import { Standing } from '../standing.js' */
/** @import { Anchored, Successor } from '../verifier.js' */
/** @import { Vouched } from '../visit.js' */

/** @type {Map<string | null, string>} */
const SOURCES = new Map([
  [null, 'awaited: nothing but evidence is served yet'],
  ['development', 'development'],
  ['hand_over', 'handed over by a running enclave of the deployment'],
  ['operators', 'the operators’ shares'],
  ['kms', 'AWS KMS, which checks attestation'],
]);

/**
 * @param {Vouched} vouched
 * @param {boolean} [brief]
 * @param {Standing} [known] what is known now: by default of this document alone, whatever happened since
 */
export function evidenceFacts(vouched, brief = false, known = standing({ current: vouched, failure: null, pending: null, away: null })) {
  const { report, anchored, own } = vouched;
  const { binding } = report;
  const development = binding.root_source === 'development';
  return h(
    'div',
    { class: 'stack' },
    h('p', {}, h('span', { class: `badge ${known.tone}` }, icon(known.tone === 'good' ? 'check' : 'info'), known.label)),
    h('p', {}, known.words),
    development || report.simulator
      ? notice('warn', 'Development: protects nothing', h('p', {}, report.simulator && 'The document comes from a simulator, not from hardware: whoever runs that machine can read every key. ', development && 'The root key’s source is “development”, which is a file.'))
      : null,
    binding.pending === 'unknown'
      ? notice('warn', 'Waiting successors: unknown', h('p', {}, 'The host’s storage hides from the enclave which new images wait for the root key. The enclave hands it to none of them meanwhile. Tell the operator if it stays.'))
      : null,
    ...successors(vouched),
    report.debug ? notice('bad', 'Debug mode', h('p', {}, 'The host can read this enclave’s console and memory.')) : null,
    facts(
      ['Module', h('span', { class: 'mono' }, report.module_id)],
      ['Release', `${binding.release}, epoch ${binding.epoch}`],
      ['Document made', when(report.timestamp_ms)],
      ['Root key source', binding.root_source === null ? 'none yet: the enclave waits for its root key' : SOURCES.get(binding.root_source) ?? binding.root_source],
      ['Checked against', [anchored ? signedRelease(anchored) : 'your own policy', anchored && own ? ', and your own policy' : '']],
      !brief && anchored && ['Release manifest', copyable(anchored.release.manifest_sha256, 'manifest SHA-256')],
      !brief && anchored && ['Release until', when(anchored.release.not_after_ms)],
      !brief && anchored && ['Anchor of this page', copyable(anchored.anchor.sha256, 'anchor SHA-256')],
      !brief && ['Root id', binding.root_id ? copyable(binding.root_id, 'root id') : 'none: no ceremony made one'],
      !brief && ['Configuration', copyable(binding.configuration, 'configuration hash')],
      !brief && ['Identity key', copyable(binding.identity, 'identity key')],
      !brief && ['Store rollback', binding.rollback === 'clients-only' ? 'noticed by clients and the running enclave only' : binding.rollback],
      !brief && ['Waiting successors', binding.pending === null ? 'not stated' : (vouched.successors?.length.toString() ?? 'unknown').replace(/^0$/, 'none')],
      !brief && ['Root certificate', copyable(report.root_sha256, 'root certificate SHA-256')],
      !brief && ['Certificate until', when(report.certificate_expires_ms)],
    ),
    brief
      ? null
      : [
          h('h3', {}, 'Measurements'),
          facts(...measured(report.measurements)),
        ],
  );
}

/** @param {Anchored} anchored */
function signedRelease({ release, anchor }) {
  return `release ${release.release}, signed by ${release.signers} of ${anchor.release_keys.length} release keys (${anchor.threshold} needed)`;
}

/** @typedef {'waits' | 'has' | 'may_have' | 'gets_none'} Fate */

/**
 * What is known of each image that was announced. Only one that enough operators consented to can have the root key.
 * @param {Pick<Vouched, 'successors' | 'handedOver'>} vouched
 * @returns {[Successor, Fate][]}
 */
export function fates({ successors, handedOver }) {
  const all = successors ?? [];
  const able = all.filter(({ consents, consents_needed }) => consents.length >= consents_needed);
  const taker = able.length > 1 ? 'may_have' : 'has';
  return all.map((one) => [one, !handedOver ? 'waits' : able.includes(one) ? taker : 'gets_none']);
}

/**
 * The images that wait for the root key, or of which one has it.
 * @param {Pick<Vouched, 'successors' | 'handedOver'>} vouched
 */
function successors(vouched) {
  return fates(vouched).map(([successor, fate]) => {
    const { title, words } = FATES[fate](successor);
    return notice('plain', title, h('p', {}, words), h('p', {}, copyable(successor.manifest_sha256, 'manifest hash')));
  });
}

/** @type {Record<Fate, (successor: Successor) => { title: string, words: Child[] }>} */
const FATES = {
  // People can object while its delay runs.
  waits: (successor) => ({
    title: 'Another image may get the root key',
    words: [...announced(successor), '. It can get the root key after ', when(successor.allowed_from_ms), ` if the operators consent (${successor.consents.length} of ${successor.consents_needed} have). ${UNKNOWN}`],
  }),
  has: (successor) => ({ title: 'Another image has the root key', words: [...announced(successor), `. This enclave has handed the root key over to it. ${UNKNOWN}`] }),
  may_have: (successor) => ({
    title: 'Another image may have the root key',
    words: [...announced(successor), `. This enclave has handed the root key over to one of several images, and this is one of them. ${UNKNOWN}`],
  }),
  gets_none: (successor) => ({ title: 'Another image was announced', words: [...announced(successor), `. This enclave has handed the root key over to another image, and hands it to this one no more. ${UNKNOWN}`] }),
};

const UNKNOWN = 'If you do not know this release, ask the operators.';

/** @param {Successor} successor */
function announced({ release, epoch, announced_at_ms }) {
  return [`Release ${release} (epoch ${epoch}) was announced `, when(announced_at_ms)];
}

/**
 * PCR by PCR, those that nobody extended in one line.
 * @param {Record<string, string>} measurements
 * @returns {[string, Child][]}
 */
function measured(measurements) {
  const all = Object.entries(measurements);
  const zeros = all.filter(([, value]) => /^0*$/.test(value)).map(([index]) => index);
  /** @type {[string, Child][]} */
  const lines = all
    .filter(([index]) => !zeros.includes(index))
    .map(([index, value]) => [`PCR${index}`, copyable(value, `PCR${index}`)]);
  return zeros.length > 0 ? [...lines, ['All zeros', `PCR ${zeros.join(', ')}`]] : lines;
}
