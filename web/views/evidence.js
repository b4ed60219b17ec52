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
    ...(vouched.successors ?? []).map(waiting),
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

/**
 * An image that waits for the root key: people can object while its delay runs.
 * @param {Successor} successor
 */
function waiting(successor) {
  const consented = `${successor.consents.length} of ${successor.consents_needed}`;
  return notice(
    'plain',
    'Another image may get the root key',
    h('p', {}, `Release ${successor.release} (epoch ${successor.epoch}) was announced `, when(successor.announced_at_ms), '. It can get the root key after ', when(successor.allowed_from_ms), ` if the operators consent (${consented} have). If you do not know this release, ask the operators.`),
    h('p', {}, copyable(successor.manifest_sha256, 'manifest hash')),
  );
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
