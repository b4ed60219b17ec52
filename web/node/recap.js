// What a sign-in hands out: the ReCap of ERC-5573, in its one spelling.

import { toBase64Url } from '../bytes.js';

/** @typedef {Record<string, string[]>} Grants resource to abilities */

const PREFIX = 'urn:recap:';
const INTRODUCTION = 'I further authorize the stated URI to perform the following actions on my behalf:';

/** @param {Grants} grants */
function sorted(grants) {
  return Object.keys(grants)
    .sort()
    .map((resource) => /** @type {[string, string[]]} */ ([resource, [...(grants[resource] ?? [])].sort()]));
}

/**
 * The resource that carries the grants. Names are ASCII, so that sorting by UTF-16 and by bytes is
 * the same (RFC 8785).
 * @param {Grants} grants
 */
export function recapResource(grants) {
  const att = sorted(grants).map(([resource, abilities]) => [resource, Object.fromEntries(abilities.map((ability) => [ability, [{}]]))]);
  const json = JSON.stringify({ att: Object.fromEntries(att), prf: [] });
  return PREFIX + toBase64Url(new TextEncoder().encode(json));
}

/**
 * The sentence that tells the same: resources, then namespaces, then names, each in order.
 * @param {Grants} grants
 */
export function recapStatement(grants) {
  let sentence = INTRODUCTION;
  let count = 0;
  for (const [resource, abilities] of sorted(grants)) {
    /** @type {Map<string, string[]>} */
    const spaces = new Map();
    for (const ability of abilities) {
      const [namespace = '', name = ''] = ability.split('/');
      spaces.set(namespace, [...(spaces.get(namespace) ?? []), name]);
    }
    for (const namespace of [...spaces.keys()].sort()) {
      count += 1;
      const names = spaces.get(namespace)?.map((name) => `'${name}'`).join(', ');
      sentence += ` (${count}) '${namespace}': ${names} for '${resource}'.`;
    }
  }
  return sentence;
}
