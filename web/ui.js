// Pieces every view is made of: notices, copy buttons, fields, busy buttons, facts.

import { fill, h, icon, id } from './dom.js';
import { asFailure } from './errors.js';

/** @import { Child } from './dom.js' */
/** @import { Failure } from './errors.js' */

/** How long a message stays, in milliseconds. */
const SHOWN = 5000;

/** @type {ReturnType<typeof setTimeout> | undefined} */
let sayTimer;

/**
 * Says something to everybody, screen readers included. The message goes by itself, with the next
 * failure, or when another view or a dialog opens.
 * @param {string} text
 * @param {{ lasts?: boolean }} [how] `lasts`: it does not go by itself, because nothing else says this
 */
export function say(text, { lasts = false } = {}) {
  hush();
  // A changed text is announced, the same one again would not be.
  sayTimer = setTimeout(() => {
    show(text, lasts && h('button', { type: 'button', class: 'small', onclick: hush }, 'Dismiss'));
    if (!lasts) sayTimer = setTimeout(hush, SHOWN);
  }, 20);
}

/** Ends the message that is shown, or about to be. */
export function hush() {
  clearTimeout(sayTimer);
  show();
}

/** @param {...Child} content */
function show(...content) {
  const status = document.getElementById('status');
  if (status) fill(status, content);
}

/**
 * @param {'good' | 'warn' | 'bad' | 'plain'} tone
 * @param {string} title
 * @param {...Child} rest
 */
export function notice(tone, title, ...rest) {
  const symbol = tone === 'good' ? 'check' : tone === 'plain' ? 'info' : 'warning';
  return h('div', { class: `notice ${tone}`, role: tone === 'bad' ? 'alert' : null }, icon(symbol), h('strong', {}, title), rest);
}

/**
 * What went wrong and what to do, with a button to try again where that makes sense.
 * @param {unknown} error
 * @param {(() => void) | null} [again]
 */
export function failureNotice(error, again = null) {
  const failure = asFailure(error);
  const box = notice(
    'bad',
    failure.title,
    h('p', {}, failure.message),
    h('p', {}, failure.advice),
    h('p', { class: 'quiet small' }, `Reason: ${partyName(failure.party)} · `, h('code', { class: 'mono' }, failure.code)),
  );
  if (again) box.append(h('p', {}, h('button', { class: 'small', type: 'button', onclick: again }, 'Try again')));
  return box;
}

/** @param {Failure['party']} party */
export function partyName(party) {
  const names = {
    enclave: 'refused by the enclave',
    host: 'refused by the host',
    network: 'the network',
    passkey: 'the passkey',
    evidence: 'checked in this browser',
    page: 'checked in this page',
    node: 'the node',
  };
  return names[party];
}

/**
 * A value in monospace with a button that copies it.
 * @param {string} value
 * @param {string} what for the button's name, such as `address`
 */
export function copyable(value, what) {
  return h('span', { class: 'value' }, h('span', { class: 'mono' }, value), copyButton(value, what));
}

/**
 * @param {string} value
 * @param {string} what
 */
export function copyButton(value, what) {
  const label = h('span', {}, 'Copy');
  const button = h('button', { class: 'small', type: 'button', 'aria-label': `Copy ${what}` }, icon('copy'), label);
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(value);
      label.textContent = 'Copied';
      say(`Copied: ${what}`);
    } catch {
      label.textContent = 'Not copied';
      say('The browser refused to copy. Select the text and copy it yourself.');
    }
    setTimeout(() => {
      label.textContent = 'Copy';
    }, 2000);
  });
  return button;
}

/**
 * A list of label and value.
 * @param {...([string, Child] | null | false)} pairs
 */
export function facts(...pairs) {
  return h(
    'dl',
    { class: 'facts' },
    pairs.map((pair) => pair && [h('dt', {}, pair[0]), h('dd', {}, pair[1])]),
  );
}

/**
 * A labelled control with an optional hint.
 * @template {HTMLElement} E
 * @param {string} label
 * @param {E} control
 * @param {string} [hint]
 */
export function field(label, control, hint) {
  control.id ||= id('field');
  const note = hint ? h('p', { class: 'hint', id: `${control.id}-hint` }, hint) : null;
  if (note) control.setAttribute('aria-describedby', note.id);
  return h('div', { class: 'field' }, h('label', { for: control.id }, label), control, note);
}

/**
 * Marks a button busy while something runs; a second press meanwhile does nothing.
 * @param {HTMLButtonElement} button
 * @param {() => Promise<void>} run
 */
export async function busy(button, run) {
  if (button.getAttribute('aria-busy') === 'true') return;
  button.setAttribute('aria-busy', 'true');
  button.setAttribute('aria-disabled', 'true');
  try {
    await run();
  } finally {
    button.removeAttribute('aria-busy');
    button.removeAttribute('aria-disabled');
  }
}

/**
 * Shows a failure in a place kept for it, or clears the place.
 * @param {Element} place
 * @param {unknown} error null clears
 * @param {(() => void) | null} [again]
 */
export function fail(place, error, again = null) {
  if (error === null) fill(place);
  else if (place.isConnected) {
    // What succeeded before is not what counts now.
    hush();
    fill(place, failureNotice(error, again));
    place.scrollIntoView({ block: 'nearest' });
  }
}

/**
 * @param {number} ms milliseconds since 1970
 */
export function when(ms) {
  const date = new Date(ms);
  return h(
    'time',
    { datetime: date.toISOString(), title: date.toISOString() },
    date.toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short' }),
  );
}

/**
 * The minute by whose beginning a moment is over, as a time of this day.
 * @param {number} ms milliseconds since 1970
 */
export function minute(ms) {
  const MINUTE = 60_000;
  return new Date(Math.ceil(ms / MINUTE) * MINUTE).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
}

/**
 * Saves text or bytes as a file.
 * @param {string} name
 * @param {string | Uint8Array<ArrayBuffer>} content
 * @param {string} type
 */
export function download(name, content, type) {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = h('a', { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/**
 * The heading of a view; it takes the focus when the view opens.
 * @param {string} title
 * @param {string} [lead]
 * @param {...Child} actions
 */
export function heading(title, lead, ...actions) {
  return h(
    'div',
    { class: 'head' },
    h('div', {}, h('h1', { tabindex: -1 }, title), lead ? h('p', {}, lead) : null),
    actions.length > 0 ? h('div', { class: 'row' }, actions) : null,
  );
}
