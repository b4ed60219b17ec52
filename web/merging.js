// What a page holds under a key that every tab writes, once it has read or heard another text of it. The host can
// empty the storage, and a tab that wakes up brings back what it had: each key says which of two texts counts then.

/** @import { Kept } from './store.js' */

/**
 * @typedef {object} Rule
 * @property {(held: string[], text: string, before: string | null) => string[]} merge what is held then; `before` is the text
 *   that another tab saw `text` take the place of
 * @property {(held: string[]) => string} back what the storage gets if it has lost the key
 * @property {(held: string[], there: string) => string} [heal] what the storage gets in the place of what it has
 */

/** Of a sign-up: its passkey waits for a receipt, or there was one. What is finished stays finished. */
export const UNFINISHED = 'true';
export const FINISHED = '"finished"';

/** @param {string[]} held */
const last = (held) => held.at(-1) ?? '';

/** @type {Rule} the first one stays, and the other is looked at while it is there */
const first = { merge: (held, text) => (held.length > 0 ? held : [text]), back: last };

/** @type {Rule} whoever wrote last */
const latest = { merge: (_, text) => [text], back: last };

/** @type {Rule} */
const signUp = {
  merge: (held, text) => (held.includes(FINISHED) ? [FINISHED] : [text]),
  back: last,
  heal: last,
};

/** @type {Rule} of one deployment the highest epoch; of several, each */
const deployments = {
  merge: (held, text) => {
    // What cannot be read counts while it is there.
    if (held.length > 0 && deploymentIn(text) === null) return held;
    return held.some((one) => sameDeployment(one, text)) ? held.map((one) => higher(one, text)) : [...held, text];
  },
  back: last,
  heal: (held, there) => held.find((one) => sameDeployment(one, there)) ?? there,
};

/** @type {Rule} every head that nobody has shown to be continued */
const heads = {
  merge: (held, text, before) => {
    const kept = headIn(text);
    if (kept === null) return held.length > 0 ? held : [text];
    const gone = before === null ? null : headIn(before);
    /** @param {string} one */
    const replaced = (one) => {
      const head = headIn(one);
      // Whoever put it there has shown that it continues what was there, as that was known there.
      return [kept, gone].some((other) => head !== null && other !== null && head.hash === other.hash && head.shownAt <= other.shownAt);
    };
    const [at, rest] = [held.findIndex(replaced), held.filter((one) => !replaced(one))];
    // A later look at the same one is held already.
    if (rest.some((one) => headIn(one)?.hash === kept.hash)) return rest;
    return at < 0 ? [...rest, text] : [...rest.slice(0, at), text, ...rest.slice(at)];
  },
  back: (held) => held.reduce((one, other) => ((headIn(other)?.version ?? 0) >= (headIn(one)?.version ?? 0) ? other : one)),
};

/** @type {[string, Rule][]} by the beginning of the key, or the whole of it */
const RULES = [
  ['openkey.account.', first],
  ['openkey.deployment', deployments],
  ['openkey.deployment.forgotten', first],
  ['openkey.head.', heads],
  ['openkey.policy', latest],
  ['openkey.sight.', latest],
  ['openkey.signed-out', latest],
  ['openkey.unfinished.', signUp],
];

/**
 * @param {string} key
 * @returns {Rule | null} null for a key of which no tab keeps a copy
 */
export function ruleOf(key) {
  return RULES.find(([start]) => key === start || (start.endsWith('.') && key.startsWith(start)))?.[1] ?? null;
}

/**
 * Which epoch a remembered deployment forbids to go below.
 * @param {string} text
 */
export function epochOf(text) {
  return deploymentIn(text)?.epoch ?? 0;
}

/**
 * Whether two remembered deployments differ in nothing but their epochs.
 * @param {string} one
 * @param {string} other
 */
export function sameDeployment(one, other) {
  const [a, b] = [deploymentIn(one), deploymentIn(other)];
  return a !== null && b !== null && JSON.stringify({ ...a, epoch: 0 }) === JSON.stringify({ ...b, epoch: 0 });
}

/**
 * The first of two texts, or the second where that is the same deployment at a higher epoch.
 * @param {string} one
 * @param {string} other
 */
export function higher(one, other) {
  return sameDeployment(one, other) && epochOf(other) > epochOf(one) ? other : one;
}

/**
 * @param {string} text
 * @returns {{ epoch: number } | null}
 */
function deploymentIn(text) {
  const known = parsed(text);
  return Number.isSafeInteger(known?.epoch) ? known : null;
}

/**
 * @param {string} text
 * @returns {Kept | null}
 */
function headIn(text) {
  const kept = parsed(text);
  return typeof kept?.hash === 'string' ? kept : null;
}

/**
 * @param {string} text
 * @returns {any} null if it cannot be read
 */
export function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
