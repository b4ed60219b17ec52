// What a signature hands out, in the enclave's words: permission by permission, and the keeping of a
// space as something of its own.

import { h, icon } from '../dom.js';
import { facts } from '../ui.js';

/** @import { SummaryGrant, GrantedAbility } from '../verifier.js' */

/**
 * @param {SummaryGrant[]} grants
 * @returns {HTMLElement | null} null if nothing is handed out
 */
export function grantsView(grants) {
  const [first] = grants;
  if (!first) return null;
  return first.kind === 'hosting' ? hosting(first) : permissions(grants);
}

/** @param {SummaryGrant} grant */
function hosting(grant) {
  return h(
    'section',
    { class: 'grants hosting', 'data-grants': 'hosting', 'aria-label': 'Where your space is kept' },
    h('h3', {}, 'Where your space is kept'),
    facts(
      ['Space', h('span', { 'data-grant': grant.resource }, grant.scope)],
      ['Whose', grant.owner],
      ['Allows', h('span', {}, grant.abilities.map((one) => one.words).join(', '))],
      ['As signed', exact(grant.resource)],
    ),
  );
}

/** @param {SummaryGrant[]} grants */
function permissions(grants) {
  const secret = grants.filter((grant) => grant.reaches_secrets).length;
  return h(
    'section',
    { class: 'grants stack-tight', 'data-grants': 'permissions', 'aria-label': 'Permissions' },
    h('h3', {}, 'What is handed out'),
    secret > 0 &&
      h(
        'p',
        { class: 'small', 'data-secrets': secret },
        h('span', { class: 'badge bad' }, icon('warning'), 'Reaches secrets'),
        ' marks what opens, changes or leads to secrets.',
      ),
    h('ol', { class: 'list' }, grants.map((grant, index) => card(grant, index, grants))),
  );
}

/**
 * @param {SummaryGrant} grant
 * @param {number} index
 * @param {SummaryGrant[]} grants
 */
function card(grant, index, grants) {
  return h(
    'li',
    { class: 'grant', 'data-grant': grant.resource },
    h(
      'div',
      { class: 'item-head' },
      h('strong', {}, `${index + 1}. ${grant.scope}`),
      h(
        'span',
        { class: 'row' },
        h('span', { class: grant.owner === 'Yours' ? 'badge good' : 'badge bad' }, grant.owner),
        grant.reaches_secrets && h('span', { class: 'badge bad' }, icon('warning'), 'Reaches secrets'),
      ),
    ),
    h('ul', { class: 'abilities' }, grant.abilities.map((one) => ability(one, grants))),
    h('p', { class: 'quiet small' }, exact(grant.resource)),
  );
}

/**
 * @param {GrantedAbility} one
 * @param {SummaryGrant[]} grants
 */
function ability(one, grants) {
  const wider = one.within === null ? undefined : grants[one.within];
  return h(
    'li',
    { 'data-ability': one.ability },
    one.words,
    ' ',
    h('span', { class: 'quiet small mono' }, one.ability),
    one.severity === 'danger' && [' ', h('span', { class: 'badge bad' }, 'Dangerous')],
    one.severity === 'attention' && [' ', h('span', { class: 'badge warn' }, 'Look twice')],
    wider !== undefined && h('span', { class: 'quiet small' }, ` Part of ${(one.within ?? 0) + 1} anyway.`),
  );
}

/** @param {string} resource */
function exact(resource) {
  return h('span', { class: 'mono' }, resource);
}
