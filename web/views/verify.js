// Anyone, signed in or not, asks the enclave for an attestation document with their own nonce and
// has it checked here, in the browser.

import { fromHex, random, toHex } from '../bytes.js';
import { fill, h, icon } from '../dom.js';
import { Failure } from '../errors.js';
import { checkedWords, standing } from '../standing.js';
import { busy, copyable, copyButton, download, fail, failureNotice, field, heading, say } from '../ui.js';
import { evidenceFacts } from './evidence.js';
import { remembered } from './remembered.js';

/** @import { Policy } from '../messages.js' */
/** @import { App } from '../state.js' */
/** @import { Standing } from '../standing.js' */
/** @import { Vouched } from '../visit.js' */

/** What the protocol takes as a nonce, in bytes. */
const NONCE = { least: 16, most: 64 };

/**
 * @param {App} app
 * @param {AbortSignal} signal
 */
export function verify(app, signal) {
  const { visit } = app;
  const nonce = h('input', { type: 'text', class: 'mono', value: toHex(random(32)), autocomplete: 'off', spellcheck: 'false', maxlength: 2 * NONCE.most + 2 });
  const renew = h('button', { type: 'button', class: 'small', onclick: () => { nonce.value = toHex(random(32)); stale(); say('A new nonce is in the field.'); } }, 'New random nonce');
  const own = h('textarea', { spellcheck: 'false', placeholder: '{"version": 1, "measurements": [ … ], …}' }, keptPolicy(app));
  const ownField = field('Policy file (JSON)', own, `From a source you trust, and not from this page or its host. Kept in this browser, and a condition of every check until you switch back.${visit.config.policy === null ? '' : ' The host serves a policy, too: that one is the host’s own words, can only refuse, and is not put in here.'}`);
  const served = radio('anchor', 'The signed releases of this page’s anchor', 'What the host serves counts only if the release keys in the page signed it. Whoever serves the page can serve another one with other keys.');
  const pasted = radio('visitor', 'My own policy, too', 'Pasted by you. It can only refuse more; without an anchor it stands alone.');
  const place = h('div', {});
  const result = h('div', { class: 'stack', 'aria-live': 'polite' });
  const submit = h('button', { type: 'submit', class: 'primary wide-on-phone' }, icon('shield'), h('span', {}, 'Get evidence and check it'));

  const toggle = () => {
    ownField.hidden = !pasted.input.checked;
  };
  for (const { input } of [served, pasted]) input.addEventListener('change', toggle);
  (app.store.policy() ? pasted : served).input.checked = true;
  toggle();

  /** @type {Vouched | null} */
  let shown = null;
  let label = '';
  // Why the frame is not green. A failed check of this view says the same in its own place.
  const why = h('div', {});
  const alone = h('section', { class: 'card stack' });
  /** @type {boolean | null} */
  let told = null;
  const draw = () => {
    const simulator = visit.current?.report.simulator ?? false;
    // Only when it is another one: the focus may be on a button in it.
    if (simulator !== told) fill(alone, ownMachine(simulator));
    told = simulator;
    const failure = visit.failure ?? visit.away;
    fill(why, failure && !visit.pending && !place.firstChild && failureNotice(failure, () => void visit.verify().catch(() => {})));
    if (!shown) return;
    const known = standing({ current: shown, failure: visit.failure, pending: null, away: visit.away });
    // What passed a while ago is not green any more when the enclave is away or refused.
    if (known.label !== label) fill(result, passed(shown, known));
    label = known.label;
  };
  visit.addEventListener('change', draw, { signal });
  draw();

  const stale = () => {
    fail(place, null);
    fill(result);
    [shown, label] = [null, ''];
  };
  for (const input of [nonce, own, served.input, pasted.input]) input.addEventListener('input', stale);

  const run = async () => {
    stale();
    fill(why);
    try {
      const bytes = readNonce(nonce.value);
      const policy = pasted.input.checked ? readPolicy(own.value) : null;
      if (JSON.stringify(policy) !== JSON.stringify(app.store.policy())) visit.choose(policy);
      shown = await visit.examine(bytes);
      draw();
      say(checkedWords(standing({ current: shown, failure: null, pending: null, away: null })));
    } catch (error) {
      fail(place, error, null);
      fill(why);
    }
  };

  const form = h(
    'form',
    {
      class: 'card stack',
      onsubmit: (/** @type {Event} */ event) => {
        event.preventDefault();
        busy(submit, run);
      },
    },
    field('Nonce (hexadecimal, 16 to 64 bytes)', nonce, 'The document must contain exactly these bytes, so it cannot be an old one.'),
    h('div', {}, renew),
    h('fieldset', { class: 'choices' }, h('legend', {}, 'What to check against'), served.label, pasted.label),
    ownField,
    submit,
    place,
  );
  return h(
    'div',
    { class: 'stack' },
    heading('Verify the enclave', 'Ask for an attestation document over a nonce of yours. The check runs in this browser: it needs the hardware’s root certificate, and the release keys in this page or a policy that you choose.'),
    why,
    form,
    result,
    remembered(app),
    alone,
  );
}

/**
 * How to check from outside of this page. No release names a simulator: its policy file stands in the directory of the
 * simulation.
 * @param {boolean} simulator
 */
function ownMachine(simulator) {
  const { origin } = location;
  const commands = simulator
    ? [{ text: `openkey-verify host ${origin} --policy .openkey/policy.json`, what: 'the command that checks the enclave' }]
    : [
        { text: `openkey-verify page ${origin} --release release.json --keys release-keys.json`, what: 'the command that checks the page' },
        { text: `openkey-verify host ${origin} --release release.json --keys release-keys.json --root-id ROOT_ID`, what: 'the command that checks the enclave' },
      ];
  const words = simulator
    ? 'A page cannot prove that it is genuine. This command, on your own machine, checks the simulated enclave, where .openkey is the directory that the simulation was started with (--dir). No release names the page of a simulator, so nothing can check that.'
    : 'A page cannot prove that it is the released one. These commands, on your own machine, can, with the release and its keys from a source you trust:';
  return [
    h('h2', {}, 'Do not want to trust this page?'),
    h('p', {}, words),
    commands.map(({ text, what }) => h('div', { class: 'command' }, h('pre', { class: 'exact', tabindex: 0, role: 'region', 'aria-label': what.charAt(0).toUpperCase() + what.slice(1) }, unbroken(text)), copyButton(text, what))),
  ];
}

/**
 * A command that breaks between its words alone, wherever they end: browsers break behind hyphens, too.
 * @param {string} text
 */
function unbroken(text) {
  return text.split(' ').map((word, at) => [at > 0 && ' ', h('span', { class: 'word' }, word)]);
}

/**
 * What the visitor stated before. Nothing that is served ever stands in the field by itself.
 * @param {App} app
 */
function keptPolicy(app) {
  const kept = app.store.policy();
  return kept === null ? '' : JSON.stringify(kept, null, 2);
}

/**
 * @param {Vouched} vouched
 * @param {Standing} known
 */
function passed(vouched, known) {
  const nonce = toHex(vouched.nonce);
  return h(
    'section',
    { class: 'card stack', 'aria-labelledby': 'verified' },
    h('h2', { id: 'verified' }, 'This enclave answered'),
    evidenceFacts(vouched, false, known),
    h('h3', {}, 'Your nonce'),
    h('p', {}, copyable(nonce, 'nonce')),
    h(
      'div',
      { class: 'row' },
      h('button', { type: 'button', onclick: () => download('attestation-document.cbor', vouched.document, 'application/cbor') }, 'Save the document'),
    ),
  );
}

/**
 * @param {string} value
 * @param {string} label
 * @param {string} hint
 */
function radio(value, label, hint) {
  const input = h('input', { type: 'radio', name: 'policy', value });
  return { input, label: h('label', {}, input, h('span', {}, label, h('span', { class: 'hint' }, hint))) };
}

/** @param {string} text */
function readNonce(text) {
  try {
    const bytes = fromHex(text.trim());
    if (bytes.length >= NONCE.least && bytes.length <= NONCE.most) return bytes;
  } catch {
    // said below
  }
  throw new Failure('page', 'nonce', {
    title: 'This is not a nonce',
    message: `It must be ${NONCE.least} to ${NONCE.most} bytes, written as ${2 * NONCE.least} to ${2 * NONCE.most} hexadecimal digits.`,
    advice: 'Correct it, or take a new random one.',
  });
}

/**
 * @param {string} text
 * @returns {Policy}
 */
function readPolicy(text) {
  try {
    const policy = JSON.parse(text);
    if (policy !== null && typeof policy === 'object' && Array.isArray(policy.measurements)) return policy;
  } catch {
    // said below
  }
  throw new Failure('page', 'policy', {
    title: 'This is not a policy file',
    message: 'It must be a JSON object with version and measurements.',
    advice: 'Paste the whole file as it was published.',
  });
}
