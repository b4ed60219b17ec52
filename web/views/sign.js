// Signing: a text, a sign-in message, or typed data, with one of the account's keys.

import { propose } from '../consent.js';
import { fill, h, icon } from '../dom.js';
import { released } from '../released.js';
import { busy, copyable, fail, facts, field, heading, notice, say, when } from '../ui.js';
import { hasActiveKey, noActiveKey } from './active.js';
import { ask } from './prompt.js';
import { siweHelper } from './siwe.js';

/** @import { Payload } from '../messages.js' */
/** @import { App } from '../state.js' */

/** @typedef {'text' | 'siwe' | 'typed_data'} Kind */

/** Typed data that grants nothing and moves nothing: a letter, as in EIP-712's own example. */
const SAMPLE = {
  types: {
    EIP712Domain: [
      { name: 'name', type: 'string' },
      { name: 'version', type: 'string' },
      { name: 'chainId', type: 'uint256' },
    ],
    Person: [
      { name: 'name', type: 'string' },
      { name: 'wallet', type: 'address' },
    ],
    Mail: [
      { name: 'from', type: 'Person' },
      { name: 'to', type: 'Person' },
      { name: 'contents', type: 'string' },
    ],
  },
  primaryType: 'Mail',
  domain: { name: 'Garden Club', version: '1', chainId: 1 },
  message: {
    from: { name: 'Ada', wallet: '0x00000000000000000000000000000000000000aa' },
    to: { name: 'Bob', wallet: '0x00000000000000000000000000000000000000bb' },
    contents: 'Let us plant two apple trees by the gate.',
  },
};

/** @type {Record<Kind, { name: string, hint: string, label: string }>} */
const KINDS = {
  text: { name: 'Text', hint: 'A message in words (EIP-191)', label: 'Text to sign' },
  siwe: { name: 'Sign-in message', hint: 'Sign-In with Ethereum (EIP-4361)', label: 'Sign-in message' },
  typed_data: { name: 'Typed data', hint: 'Structured data (EIP-712)', label: 'Typed data (JSON)' },
};

/**
 * @param {App} app
 * @param {AbortSignal} signal
 */
export function sign(app, signal) {
  const place = h('div', {});
  const result = h('div', {});
  const none = h('div', {});
  const select = h('select', {});
  const input = h('textarea', { required: true, spellcheck: 'false' });
  const label = h('label', { for: 'payload' });
  const helper = h('div', {});
  const submit = h('button', { type: 'submit', class: 'primary wide-on-phone' }, icon('pen'), h('span', {}, 'Show what would be signed'));
  input.id = 'payload';

  const { drafts } = app;
  let kind = kindOf(drafts.kept('sign-kind'));
  /** A result belongs to what was signed: it goes when that changes, and stays while the same is asked for again. */
  const changed = () => {
    fail(place, null);
    fill(result);
  };
  /** @param {string} value */
  const put = (value) => {
    input.value = value;
    drafts.keep(`sign-${kind}`, value);
    changed();
    input.focus();
  };
  input.addEventListener('input', () => {
    drafts.keep(`sign-${kind}`, input.value);
    changed();
  });
  select.addEventListener('change', () => {
    drafts.keep('sign-key', select.value);
    changed();
  });
  /** @param {Kind} next */
  const choose = (next) => {
    kind = next;
    drafts.keep('sign-kind', kind);
    input.value = drafts.kept(`sign-${kind}`) ?? '';
    changed();
    label.textContent = KINDS[kind].label;
    if (kind === 'siwe') fill(helper, siweHelper(drafts, () => app.addressOf(Number(select.value)) ?? '', put));
    else if (kind === 'typed_data') fill(helper, h('button', { type: 'button', class: 'small', onclick: () => put(JSON.stringify(SAMPLE, null, 2)) }, 'Put in a sample'));
    else fill(helper);
  };
  const kinds = h(
    'fieldset',
    { class: 'choices' },
    h('legend', {}, 'What to sign'),
    /** @type {Kind[]} */ (Object.keys(KINDS)).map((one) =>
      h(
        'label',
        {},
        h('input', { type: 'radio', name: 'kind', value: one, checked: one === kind, onchange: () => choose(one) }),
        h('span', {}, KINDS[one].name, h('span', { class: 'hint' }, KINDS[one].hint)),
      ),
    ),
  );
  const draw = () => {
    const keys = (app.account?.keys ?? []).filter((key) => key.archived_at === null);
    const wanted = select.value || drafts.kept('sign-key');
    fill(none, app.account && !hasActiveKey(app.account) && noActiveKey(app.account, true));
    fill(
      select,
      keys.map((key) => h('option', { value: key.key, selected: String(key.key) === wanted }, `${key.label || `Key ${key.key}`}${short(app.addressOf(key.key))}`)),
    );
    submit.disabled = keys.length === 0;
  };

  const load = async () => {
    fail(place, null);
    try {
      await app.refresh();
    } catch (error) {
      if (app.session) fail(place, error, load);
    }
  };
  const run = async () => {
    fail(place, null);
    const who = app.session;
    if (!who) return;
    const text = input.value;
    const key = Number(select.value);
    /** @type {Payload} */
    const payload = kind === 'text' ? { text } : kind === 'siwe' ? { siwe: text } : { typed_data: text };
    const consented = await ask(app, 'Sign', (tell, ends) => propose(app, who, { sign: { key, payload } }, tell, ends), { signal });
    if (!consented) return;
    try {
      const signature = await released(app, consented);
      if (signal.aborted) {
        say('The text was signed. The history has the signature.', { lasts: true });
        return;
      }
      const card = outcome(signature);
      fill(result, card);
      card.querySelector('h2')?.focus();
      say('Signed.');
    } catch (error) {
      fill(result);
      fail(place, error);
    }
  };

  app.addEventListener('account', draw, { signal });
  draw();
  choose(kind);
  load();
  return h(
    'div',
    { class: 'stack' },
    heading('Sign', 'The enclave reads it first and says what it means. Then your passkey decides.'),
    none,
    h(
      'form',
      {
        class: 'card stack',
        onsubmit: (/** @type {Event} */ event) => {
          event.preventDefault();
          busy(submit, run);
        },
      },
      field('Key', select),
      kinds,
      helper,
      h('div', { class: 'field' }, label, input),
      submit,
      place,
    ),
    result,
  );
}

/** @param {string | null} kept */
function kindOf(kept) {
  return kept !== null && Object.hasOwn(KINDS, kept) ? /** @type {Kind} */ (kept) : 'text';
}

/** @param {{ signature: string, digest: string, address: string }} signed */
function outcome({ signature, digest, address }) {
  return h(
    'section',
    { class: 'card stack', 'aria-labelledby': 'signed', 'data-signed': true },
    h('h2', { id: 'signed', tabindex: -1 }, 'Signed'),
    notice('good', 'The enclave released one signature', h('p', {}, 'It is over the digest you approved, at ', when(Date.now()), '.')),
    facts(
      ['Signature', h('span', { 'data-value': 'signature' }, copyable(signature, 'signature'))],
      ['Digest', h('span', { 'data-value': 'digest' }, copyable(digest, 'digest'))],
      ['Address', h('span', { 'data-value': 'address' }, copyable(address, 'address'))],
    ),
    h('p', { class: 'quiet small' }, 'This goes when you change what is to be signed. The history keeps the signature.'),
  );
}

/** @param {string | null} address */
function short(address) {
  return address === null ? '' : ` · ${address.slice(0, 8)}…${address.slice(-6)}`;
}
