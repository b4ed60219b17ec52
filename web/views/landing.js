// The first view: what this is, and the two ways in.

import { fill, h, icon } from '../dom.js';
import { waits } from '../standing.js';
import { failureNotice } from '../ui.js';
import { signIn } from './signin.js';
import { evidenceFacts } from './evidence.js';
import { awaitsOperators } from './waiting.js';

/** @import { App } from '../state.js' */

/**
 * @param {App} app
 * @param {AbortSignal} signal
 */
export function landing(app, signal) {
  const enclave = h('section', { class: 'card stack', 'aria-labelledby': 'who-is-there' });
  const ways = h(
    'div',
    { class: 'row' },
    h('a', { class: 'button primary wide-on-phone', href: '#/create' }, icon('passkey'), 'Create an account with a passkey'),
    h('button', { type: 'button', class: 'wide-on-phone', onclick: () => signIn(app, signal) }, 'Sign in'),
  );
  const waiting = h('div', {});
  const draw = () => {
    const none = waits(app.visit);
    ways.hidden = none;
    fill(waiting, none && awaitsOperators());
    const { current, pending, away } = app.visit;
    const failure = app.visit.failure ?? away;
    enclave.replaceChildren(
      h('h2', { id: 'who-is-there' }, 'Who is there'),
      ...(current && !failure
        ? [h('p', { class: 'quiet' }, 'This browser asked the enclave for fresh evidence and checked it:'), evidenceFacts(current, true)]
        : failure && !pending
          ? [failureNotice(failure, () => void app.visit.verify().catch(() => {}))]
          : [h('p', { class: 'quiet', role: 'status' }, 'Asking the enclave for evidence …')]),
      h('p', {}, h('a', { href: '#/verify' }, 'Check it yourself, with your own nonce and policy'), current && !failure && app.store.deployment() === null && '. At your first sign-up or sign-in this browser remembers the root id, the release keys and the epoch of this deployment. From then on it accepts only what signed releases explain.'),
    );
  };
  app.visit.addEventListener('change', draw, { signal });
  draw();
  return h(
    'div',
    { class: 'hero' },
    h(
      'div',
      { class: 'stack' },
      h('h1', { tabindex: -1 }, 'Your key, in an enclave. Your passkey decides.'),
      h('p', { class: 'lead' }, 'OpenKey keeps an Ethereum key for you inside an attested enclave. It signs only what you approve with a passkey, after the enclave itself has told you in plain words what that is.'),
      app.ended ? failureNotice(app.ended) : null,
      waiting,
      ways,
      h(
        'ol',
        { class: 'steps' },
        h('li', {}, h('strong', {}, 'The enclave proves who it is. '), 'Your browser checks its evidence before anything else happens.'),
        h('li', {}, h('strong', {}, 'You make a passkey. '), 'No password, no e-mail. The enclave signs a receipt, and your browser compares it with your own authenticator.'),
        h('li', {}, h('strong', {}, 'You approve each signature. '), 'Texts, sign-in messages and typed data: one prompt, one digest, one touch.'),
      ),
    ),
    enclave,
  );
}
