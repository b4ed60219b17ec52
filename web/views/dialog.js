// Modal dialogs on the native element: the browser traps the focus and gives it back.

import { h, id } from '../dom.js';
import { field, hush } from '../ui.js';

/** @import { Child } from '../dom.js' */
/** @import { Drafts } from '../drafts.js' */

/**
 * An open dialog with a title, a body and a foot. A message about something else ends: it would be read as the outcome
 * of what this dialog asks.
 * @param {string} title
 * @param {{ body: Child, foot: Child, cancelled: () => void }} content
 */
export function openDialog(title, { body, foot, cancelled }) {
  hush();
  const heading = h('h2', { id: id('dialog'), tabindex: -1 }, title);
  const dialog = h(
    'dialog',
    { 'aria-labelledby': heading.id },
    h('div', { class: 'dialog-head' }, heading),
    h('div', { class: 'dialog-body stack', tabindex: 0, role: 'group', 'aria-label': 'Details' }, body),
    h('div', { class: 'dialog-foot' }, foot),
  );
  dialog.addEventListener('cancel', (event) => {
    event.preventDefault();
    cancelled();
  });
  // A browser may close it without asking, at a second Escape for example.
  dialog.addEventListener('close', () => {
    if (dialog.isConnected) cancelled();
  });
  document.body.append(dialog);
  dialog.showModal();
  heading.focus();
  return {
    dialog,
    heading,
    close() {
      dialog.close();
      // Before the event of its closing, which is queued.
      dialog.remove();
    },
  };
}

/**
 * Asks for a name. What was typed is kept as a draft until it is used, or given up.
 * @param {Drafts} drafts
 * @param {{ draft: string, title: string, label: string, hint?: string, value?: string, submit: string, signal: AbortSignal }} words
 *   `signal` ends with the view that asks
 * @returns {Promise<string | null>} null if the person gave up, or left
 */
export function askName(drafts, { draft, title, label, hint, value = '', submit, signal }) {
  return new Promise((resolve) => {
    const input = h('input', { type: 'text', value, maxlength: 64, required: true, autocomplete: 'off' });
    drafts.bind(draft, input);
    const ended = new AbortController();
    /** @param {string | null} answer */
    const finish = (answer) => {
      if (ended.signal.aborted) return;
      ended.abort();
      open.close();
      resolve(answer);
    };
    const giveUp = () => {
      drafts.drop(draft);
      finish(null);
    };
    signal.addEventListener('abort', () => finish(null), { signal: ended.signal });
    const form = h(
      'form',
      {
        id: id('form'),
        onsubmit: (/** @type {Event} */ event) => {
          event.preventDefault();
          const name = input.value.trim();
          if (name) finish(name);
        },
      },
      field(label, input, hint),
    );
    const open = openDialog(title, {
      body: form,
      foot: [
        h('button', { type: 'button', onclick: giveUp }, 'Cancel'),
        h('button', { type: 'submit', class: 'primary', form: form.id }, submit),
      ],
      cancelled: giveUp,
    });
    input.focus();
    input.select();
  });
}
