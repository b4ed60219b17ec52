// ReCap (ERC-5573): what a sign-in grants beside the sign-in, as a resource and as a sentence.

import { base64url, utf8 } from './bytes.js';
import { base58Cid } from './cid.js';
import { canonical, type Json } from './json.js';

/** Resource → ability → caveats; no caveat is `[{}]`. */
export type Attenuation = Record<string, Record<string, { [name: string]: Json }[]>>;

const INTRODUCTION = 'I further authorize the stated URI to perform the following actions on my behalf:';

/** Grants abilities on resources, without caveats. */
export const grants = (wanted: Record<string, readonly string[]>): Attenuation =>
  Object.fromEntries(
    Object.entries(wanted).map(([resource, abilities]) => [resource, Object.fromEntries(abilities.map((ability) => [ability, [{}]]))]),
  );

/** The sentence that the statement must end with: by resource, namespace and name, each sorted. */
export const sentence = (att: Attenuation): string => {
  const clauses = Object.keys(att)
    .sort()
    .flatMap((resource) => {
      const names = new Map<string, string[]>();
      for (const ability of Object.keys(att[resource] ?? {}).sort()) {
        const [namespace = '', name = ''] = ability.split('/');
        names.set(namespace, [...(names.get(namespace) ?? []), name]);
      }
      return [...names.keys()].sort().map((namespace) => {
        const list = (names.get(namespace) ?? []).sort().map((name) => `'${name}'`);
        return `'${namespace}': ${list.join(', ')} for '${resource}'.`;
      });
    });
  return INTRODUCTION + clauses.map((clause, i) => ` (${i + 1}) ${clause}`).join('');
};

/** The resource that carries the grants; proofs are given in base32 and written in base58. */
export const recapUri = (att: Attenuation, proofs: readonly string[] = []): string =>
  `urn:recap:${base64url(utf8(canonical({ att, prf: proofs.map(base58Cid) })))}`;
