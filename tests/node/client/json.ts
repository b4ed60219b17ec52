// JSON in one canonical form (RFC 8785), as far as tokens need it: no fractions, no exponents.

/** Anything that JSON has. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** Without white space, members sorted by UTF-16 units. */
export const canonical = (value: Json): string => {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const members = Object.keys(value)
    .sort()
    .map((name) => `${JSON.stringify(name)}:${canonical(value[name] as Json)}`);
  return `{${members.join(',')}}`;
};
