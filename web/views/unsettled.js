// Words about an approval that has left this page, as long as nobody has proved what came of it.

import { h } from '../dom.js';
import { minute, notice, partyName } from '../ui.js';

/** @import { Failure } from '../errors.js' */
/** @import { App } from '../state.js' */
/** @import { Sent } from '../unsettled.js' */

/** @typedef {Pick<Sent, 'title' | 'until'> & { signIn?: boolean }} Known */

/** What a look at the history is worth when its time has come. */
const AFTERWARDS = 'What the history does not show then is refused if the host brings it later. A hostile host can have a signature that no history shows.';

/**
 * For a person who has left.
 * @param {Known} sent
 * @param {number} [now]
 */
export function unknown({ title, until, signIn }, now = Date.now()) {
  const after = until > now ? ` after ${minute(until)}` : '';
  if (signIn) return `Your sign-in was sent, and no answer settled it: “${title}” may have been accepted. This browser is not signed in. Once you are, the history lists it${after} if it was.`;
  return `Your approval was sent, and no answer settled it: “${title}” may have been approved. Look at the history${after} before you repeat it.`;
}

/**
 * @param {number} until
 * @param {number} [now]
 * @returns {[string, string]} title and words
 */
export function mayCountWords(until, now = Date.now()) {
  const at = minute(until);
  return until > now
    ? [
        `This may have been approved: look at the history after ${at}`,
        `Your passkey’s answer has left this page, whatever came back meanwhile. Look at the history after ${at} before you repeat it: what it does not show before ${at} may still appear. If you approve a new prompt before, both may count. ${AFTERWARDS}`,
      ]
    : ['This may have been approved: look at the history', `Your passkey’s answer has left this page, and its time is over. Look at the history before you repeat it. ${AFTERWARDS}`];
}

/**
 * The same of a sign-in: whoever is not signed in sees no history, and a second one doubles nothing that counts.
 * @param {number} until
 * @param {number} [now]
 * @returns {[string, string]} title and words
 */
export function maySignInWords(until, now = Date.now()) {
  const after = until > now ? ` after ${minute(until)}` : '';
  return [
    'It is not known whether this sign-in was accepted',
    `Your passkey’s answer has left this page, and no answer came back that settles it. This browser is not signed in: send it again, or sign in anew. Once you are signed in, the history lists${after} every sign-in that was accepted. Whoever carried this one, such as the host, may be able to read your account for fifteen minutes with it, and cannot sign.`,
  ];
}

/**
 * In the dialog of the approval. A refusal that an enclave signed of the passkey's answer comes first: it says what to
 * do, and what is said behind it is what another enclave could still make of the answer.
 * @param {{ until: number, signIn: boolean, failure: Failure | null, look: (() => void) | null }} known `failure` is what
 *   came in place of an answer; `look` goes to the history, null if nobody is signed in who could see it
 */
export function mayCount({ until, signIn, failure, look }) {
  const [title, words] = signIn ? maySignInWords(until) : mayCountWords(until);
  const first = failure?.party === 'enclave' && failure.code === 'assertion_refused';
  const box = notice(
    'bad',
    first ? failure.title : title,
    first ? [h('p', {}, failure.message), h('p', {}, failure.advice), h('p', {}, `${title}. ${words}`)] : h('p', {}, words),
    failure && !first && h('p', {}, `What came back: ${failure.title}.${isAlarm(failure) ? ` ${failure.advice}` : ''}`),
    failure && h('p', { class: 'quiet small' }, `Reason: ${partyName(failure.party)} · `, h('code', { class: 'mono' }, failure.code)),
    h('p', {}, look ? h('button', { type: 'button', class: 'small', onclick: look }, 'Look at the history') : !signIn && 'The history is shown once you are signed in.'),
  );
  box.setAttribute('data-may-count', '');
  return box;
}

/** Refusals of an enclave that say more of the host than of the request. */
const ALARMS = new Set(['forked', 'rolled_back', 'record_corrupt', 'internal']);

/**
 * Whether what to do about a failure is more than to begin again, which is not what to do here.
 * @param {Failure} failure
 */
function isAlarm({ party, code }) {
  return party === 'evidence' || (party === 'page' && code !== 'bug') || (party === 'enclave' && ALARMS.has(code));
}

/**
 * In front of another approval of the same account.
 * @param {App} app
 * @param {string | null} account hex; null in front of a sign-in
 * @param {string | null} [but] the prompt that is shown itself
 */
export function earlier(app, account, but = null) {
  const live = app.unsettled.live(account).filter(({ id }) => id !== but);
  if (live.length === 0) return null;
  const titles = [...new Set(live.map(({ title }) => title))].map((title) => {
    const times = live.filter((one) => one.title === title).length;
    return `“${title}”${times > 1 ? ` (${times} times)` : ''}`;
  });
  const until = Math.max(...live.map((one) => one.until));
  return notice(
    'warn',
    'An earlier approval can still count',
    h('p', {}, `${titles.join(', ')} was sent and may have been approved. What the history does not show before ${minute(until)} may still appear. If you approve this one before you know, both may count.`),
    h('p', { class: 'quiet small' }, 'A look at the history after that time is final.'),
  );
}
