// The approval dialog: what the enclave says it is about to do, in its own signed words, before the
// browser asks for a passkey.

import { approve, prove } from '../consent.js';
import { fill, h, icon } from '../dom.js';
import { asFailure } from '../errors.js';
import { failureNotice, facts, hush, notice, say, when } from '../ui.js';
import { openDialog } from './dialog.js';
import { digestName, says, vouchedBy } from './promptparts.js';
import { grantsView } from './grants.js';
import { turn } from './turn.js';
import { earlier, mayCount, unknown } from './unsettled.js';
import { warnings } from './warnings.js';

/** @import { Prepared, Who } from '../consent.js' */
/** @import { Approved } from '../messages.js' */
/** @import { Failure } from '../errors.js' */
/** @import { App } from '../state.js' */
/** @import { CheckedPrompt } from '../verifier.js' */

/** Refusals after which only a new prompt helps. */
const STALE = new Set(['context_expired', 'context_used', 'context_invalid', 'account_changed', 'conflict', 'forked', 'rolled_back', 'unavailable']);

/** Refusals after which the same answer may count the next time it is sent. */
const PASSING = new Set(['rolled_back', 'conflict', 'context_used']);

/** @typedef {{ approved: Approved | null, who: Who | null, prompt: CheckedPrompt, began: number }} Consented `began`: the generation in which the prompt was asked for */

/** @typedef {(tell: (step: string) => void, signal: AbortSignal) => Promise<Prepared>} Prepare asks for the prompt */

/**
 * Shows the prompt of an action and lets the person approve or cancel it. Nothing is approved once the
 * dialog has gone. An approval that was sent before may count until its prompt ends, and the words say so.
 *
 * @param {App} app
 * @param {string} title what is being asked for, until the enclave says it itself
 * @param {Prepare} prepare
 * @param {{ signal: AbortSignal, global?: boolean }} view `signal` ends with the view that asks. `global`: the result
 *   counts without that view, too
 * @returns {Promise<Consented | null>} null if cancelled, or if the view that asked has gone
 */
export async function ask(app, title, prepare, { signal, global = false }) {
  if (signal.aborted) return null;
  const result = await /** @type {Promise<Consented | null>} */ (new Promise((resolve) => new Approval(app, prepare, resolve, signal).start(title)));
  if (!result || global) return result;
  // An answer counts for the session that asked, and nobody else is told of it.
  if (result.began !== app.generation) return null;
  if (!signal.aborted) return result;
  say(done(result.prompt), { lasts: true });
  return null;
}

/** @param {CheckedPrompt} prompt */
function done({ summary }) {
  return `You left before the answer came. The enclave accepted your approval: “${summary.title}”. The history has it.`;
}

class Approval {
  /**
   * @param {App} app
   * @param {Prepare} prepare
   * @param {(result: Consented | null) => void} resolve
   * @param {AbortSignal} view ends when the view that asks does
   */
  constructor(app, prepare, resolve, view) {
    this.app = app;
    this.prepare = prepare;
    this.resolve = resolve;
    this.view = view;
    this.abort = new AbortController();
    this.began = app.generation;
    /** @type {Prepared | null} */
    this.prepared = null;
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this.clock = undefined;
    this.working = false;
    /** Whether the approval is on its way, and nothing calls it back. */
    this.sending = false;
    /** @type {Failure | null} what came in place of an answer to it */
    this.came = null;
    /** Whether only a new prompt helps. */
    this.anew = false;

    this.content = h('div', { class: 'stack' });
    this.turn = h('div', { 'aria-live': 'polite' });
    this.trouble = h('div', {});
    this.step = h('p', { class: 'quiet', role: 'status', 'aria-live': 'polite' });
    this.hint = h('p', { class: 'quiet small', hidden: true }, 'Read to the end and tick the box there to go on.');
    this.cancel = h('button', { type: 'button', onclick: () => this.leave() }, 'Cancel');
    this.touch = icon('passkey');
    this.go = h('button', { type: 'button', class: 'primary', onclick: () => this.act() }, this.touch, h('span', {}, 'Approve with passkey'));
  }

  /** @param {string} title */
  start(title) {
    this.open = openDialog(title, {
      body: [this.content, this.turn, this.step, this.trouble],
      foot: [this.hint, this.cancel, this.go],
      cancelled: () => this.leave(),
    });
    const { signal } = this.abort;
    this.view.addEventListener('abort', () => this.leave(), { signal });
    addEventListener('pagehide', () => this.unload(), { signal });
    this.load();
  }

  /** The dialog goes. What has not been sent is never sent; what has been is waited for. */
  leave() {
    if (this.abort.signal.aborted) return;
    this.close();
    if (this.sending) return;
    if (this.prepared?.live) this.sayUnknown(this.prepared);
    this.resolve(null);
  }

  /** The page goes. It may come back out of the browser's cache; a new one reads what was kept. */
  unload() {
    this.close();
    if (!this.sending) this.resolve(null);
  }

  /** @param {Prepared} prepared */
  sayUnknown({ prompt, until }) {
    if (this.isOver) return;
    this.app.unsettled.told(prompt.challenge);
    say(unknown({ title: prompt.summary.title, until, signIn: prompt.kind === 'sign_in' }), { lasts: true });
  }

  /** Whether somebody signed in or out since the prompt was asked for: nobody who is here now is told of it. */
  get isOver() {
    return this.began !== this.app.generation;
  }

  close() {
    clearInterval(this.clock);
    this.abort.abort();
    this.open?.close();
  }

  /** Asks the enclave for a (new) prompt. */
  async load() {
    clearInterval(this.clock);
    [this.prepared, this.came, this.anew, this.began] = [null, null, false, this.app.generation];
    this.button('Approve with passkey', true);
    this.cancel.textContent = 'Cancel';
    this.hint.hidden = true;
    fill(this.trouble);
    fill(this.turn);
    fill(this.content);
    this.tell('Asking the enclave what it would do …');
    try {
      const prepared = await this.prepare((step) => this.tell(step), this.abort.signal);
      if (this.abort.signal.aborted) return;
      this.prepared = prepared;
      this.tell('');
      this.show(prepared);
    } catch (error) {
      if (this.abort.signal.aborted) return;
      this.tell('');
      const failure = asFailure(error);
      hush();
      fill(this.trouble, failureNotice(failure));
      this.button('Ask again', false);
      // What the enclave refused stays refused until the person changes what they ask for; without a
      // sign-in it tells nothing.
      this.go.hidden = failure.code === 'session_ended' || failure.party === 'enclave' && !failure.retry && !STALE.has(failure.code);
      this.cancel.textContent = this.go.hidden ? 'Close' : 'Cancel';
      (this.go.hidden ? this.cancel : this.go).focus();
    }
  }

  /** @param {Prepared} prepared */
  show({ prompt, evidence }) {
    const { summary } = prompt;
    if (this.open) this.open.heading.textContent = summary.title;
    const confirm = summary.confirm ? h('input', { type: 'checkbox', id: 'prompt-confirm' }) : null;
    confirm?.addEventListener('change', () => {
      this.hint.hidden = confirm.checked;
      if (!this.working && !this.prepared?.live) this.button('Approve with passkey', !confirm.checked);
    });
    this.hint.hidden = !confirm;
    const left = h('span', {});
    fill(
      this.content,
      vouchedBy(evidence),
      earlier(this.app, prompt.account, prompt.challenge),
      warnings(summary.warnings),
      grantsView(summary.grants),
      facts(...summary.lines.map((line) => /** @type {[string, string]} */ ([line.label, line.value]))),
      summary.text !== null && [
        h('h3', {}, prompt.kind.startsWith('sign_') && prompt.kind !== 'sign_in' ? 'This is signed' : 'This is asked for'),
        h('pre', { class: 'exact', tabindex: 0, role: 'region', 'aria-label': 'The text that is signed' }, summary.text),
      ],
      facts(
        prompt.key && !says(summary, prompt.key.address) && ['Key', h('span', { class: 'mono' }, prompt.key.address)],
        [
          digestName(prompt),
          h('span', { class: 'mono', id: 'prompt-digest' }, `0x${prompt.digest}`),
        ],
        ['Good until', h('span', {}, when(prompt.expires_at), left)],
      ),
      confirm &&
        h(
          'div',
          { class: 'choice' },
          confirm,
          h('label', { for: confirm.id }, 'I have read the warnings. Sign it anyway.'),
        ),
    );
    this.countDown(prompt, left);
    this.button(this.next(), summary.confirm);
    this.open?.heading.focus();
  }

  /**
   * The enclave’s clock may differ from this one: what counts is how long the prompt lives.
   * @param {CheckedPrompt} prompt
   * @param {HTMLElement} left
   */
  countDown(prompt, left) {
    const end = performance.now() + (prompt.expires_at - prompt.issued_at);
    const tick = () => {
      const seconds = Math.ceil((end - performance.now()) / 1000);
      left.textContent = seconds > 0 ? ` (${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')} left)` : ' (expired)';
      if (seconds > 0 || this.working) return;
      if (this.prepared?.live) {
        this.ended(this.prepared);
        return;
      }
      clearInterval(this.clock);
      this.prepared = null;
      fill(this.trouble, notice('warn', 'This prompt has expired', h('p', {}, 'No passkey has approved it. Ask the enclave again.')));
      this.button('Ask again', false);
    };
    this.clock = setInterval(tick, 1000);
    tick();
  }

  /**
   * Says which of two passkeys is to be used now, where a new one is added: the new one, once, and then
   * one that the account has.
   * @returns {string} what the primary button does
   */
  next() {
    const possession = this.prepared?.possession;
    fill(this.turn, possession && turn(possession));
    return possession?.assertion === null ? 'Use the new passkey' : 'Approve with passkey';
  }

  /** The primary button: approve, or ask again where no prompt is left to approve. */
  async act() {
    const prepared = this.prepared;
    if (this.working) return;
    if (!prepared || this.anew || this.isOver) {
      this.load();
      return;
    }
    this.working = true;
    fill(this.trouble);
    this.button('Waiting …', true, true);
    try {
      const { possession } = prepared;
      const how = { signal: this.abort.signal, tell: (/** @type {string} */ step) => this.tell(step) };
      if (possession?.assertion === null) {
        await prove(this.app, { ...prepared, possession }, how);
        this.tell('');
        this.button(this.next(), false);
        return;
      }
      const result = await approve(this.app, prepared, {
        ...how,
        confirmed: prepared.prompt.summary.confirm,
        sending: () => {
          this.sending = true;
          const { challenge, account, summary } = prepared.prompt;
          this.app.unsettled.add({ id: challenge, account, title: summary.title, until: prepared.until });
        },
      });
      const { prompt } = prepared;
      // Of an approval whose session ended on the way its owner is told at the next sign-in.
      if (!this.isOver || prompt.account === null) this.app.unsettled.settle(prompt.challenge);
      this.close();
      this.resolve({ ...result, prompt, began: this.began });
    } catch (error) {
      if (!prepared.live) this.app.unsettled.settle(prepared.prompt.challenge);
      this.tell('');
      if (!this.abort.signal.aborted) this.failed(error);
      else if (this.sending) this.missed(prepared, error);
    } finally {
      [this.working, this.sending] = [false, false];
    }
  }

  /**
   * The dialog has gone, and the approval that was on its way failed.
   * @param {Prepared} prepared
   * @param {unknown} error
   */
  missed(prepared, error) {
    const failure = asFailure(error);
    if (prepared.live) this.sayUnknown(prepared);
    else if (!this.isOver) say(`You left before the answer came. “${prepared.prompt.summary.title}” was refused${prepared.prompt.kind === 'sign_in' ? ': you are not signed in' : ' and has no effect'}. ${failure.title}. ${failure.advice}`, { lasts: true });
    this.resolve(null);
  }

  /** @param {unknown} error */
  failed(error) {
    hush();
    const failure = asFailure(error);
    if (this.prepared?.live) {
      this.came = failure;
      // A sign-in that was used gives no second token: only a new one shows where the account stands.
      const used = failure.code === 'context_used' && ['sign_in', 'confirm'].includes(this.prepared.prompt.kind);
      this.unsettled(this.prepared, failure.party !== 'enclave' || failure.retry || (PASSING.has(failure.code) && !used));
      return;
    }
    fill(this.trouble, failureNotice(failure));
    const next = this.next();
    // A sign-in takes whichever passkey the person chooses next.
    if (failure.retry || this.prepared?.prompt.kind === 'sign_in' && failure.code.startsWith('unknown_')) this.button(this.prepared?.possession?.assertion === null ? next : 'Try again', false);
    else if (failure.party === 'enclave' && STALE.has(failure.code)) {
      this.prepared = null;
      this.button('Ask again', false);
    } else this.button('Approve with passkey', true);
    this.trouble.scrollIntoView({ block: 'nearest' });
    (this.go.disabled ? this.cancel : this.go).focus();
  }

  /**
   * The answer has left this page, and nothing has proved what came of it.
   * @param {Prepared} prepared
   * @param {boolean} again whether sending the same answer once more may help; else only a new prompt does
   */
  unsettled(prepared, again) {
    const { until, prompt } = prepared;
    const look = () => {
      this.leave();
      location.hash = '#/history';
    };
    fill(this.turn);
    fill(this.trouble, mayCount({ until, signIn: prompt.kind === 'sign_in', failure: this.came, look: this.app.session ? look : null }));
    this.app.unsettled.told(prompt.challenge);
    this.anew = !again;
    this.cancel.textContent = 'Close';
    this.button(again ? 'Send it again' : 'Ask again', false);
    this.trouble.scrollIntoView({ block: 'nearest' });
    this.go.focus();
  }

  /**
   * Nobody takes the answer any more that this page waits for; its clock and that of an enclave may differ.
   * @param {Prepared} prepared
   */
  ended(prepared) {
    if (prepared.until <= Date.now()) clearInterval(this.clock);
    else if (this.anew) return;
    this.unsettled(prepared, false);
  }

  /**
   * @param {string} label
   * @param {boolean} disabled
   * @param {boolean} [waiting]
   */
  button(label, disabled, waiting = false) {
    const words = this.go.querySelector('span');
    if (words) words.textContent = label;
    // What sends again what a passkey has answered, or only asks, needs no touch.
    this.touch.toggleAttribute('hidden', /again/.test(label) && label !== 'Try again');
    this.go.disabled = disabled;
    this.go.setAttribute('aria-busy', String(waiting));
  }

  /** @param {string} step */
  tell(step) {
    this.step.textContent = step;
    this.step.hidden = step === '';
  }
}
