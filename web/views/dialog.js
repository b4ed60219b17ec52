// Modal dialogs on the native element: the browser traps the focus and gives it back.

import { h, id } from '../dom.js';
import { field } from '../ui.js';

/** @import { Child } from '../dom.js' */

/**
 * An open dialog with a title, a body and a foot.
 * @param {string} title
 * @param {{ body: Child, foot: Child, cancelled: () => void }} content
 */
export function openDialog(title, { body, foot, cancelled }) {
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
  document.body.append(dialog);
  dialog.showModal();
  heading.focus();
  return {
    dialog,
    heading,
    close() {
      dialog.close();
      dialog.remove();
    },
  };
}

/**
 * Asks for a name.
 * @param {{ title: string, label: string, hint?: string, value?: string, submit: string }} words
 * @returns {Promise<string | null>} null if the person gave up
 */
export function askName({ title, label, hint, value = '', submit }) {
  return new Promise((resolve) => {
    const input = h('input', { type: 'text', value, maxlength: 64, required: true, autocomplete: 'off' });
    /** @param {string | null} answer */
    const finish = (answer) => {
      open.close();
      resolve(answer);
    };
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
        h('button', { type: 'button', onclick: () => finish(null) }, 'Cancel'),
        h('button', { type: 'submit', class: 'primary', form: form.id }, submit),
      ],
      cancelled: () => finish(null),
    });
    input.focus();
    input.select();
  });
}
