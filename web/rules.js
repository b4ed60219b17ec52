// What to do when a rule of the verifier does not hold, by the rule's name.

const OTHER = {
  title: 'The check failed',
  advice: 'Do not sign up, sign in or sign anything here. Tell the operator which rule failed.',
};

/** @type {Record<string, { title: string, advice: string, retry?: boolean }>} */
const RULES = {};

/**
 * @param {string} rule
 * @returns {{ title: string, advice: string, retry?: boolean }}
 */
export function adviceFor(rule) {
  return Object.hasOwn(RULES, rule) ? (RULES[rule] ?? OTHER) : OTHER;
}
