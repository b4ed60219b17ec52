// Words of somebody whom nobody vouches for, such as the host, made fit to stand inside a sentence of this page.

/** Most characters of them that are shown. */
export const MOST = 200;

/** Runs of blanks, and every end of a line. */
const BLANKS = /[\p{Z}\t-\r\u0085]+/gu;

/** What ends a quotation, or looks like it. */
const QUOTES = /["'`´«»‘’‚‛“”„‟‹›❛❜❝❞〝〞〟＂＇]/gu;

/** What shows as nothing, moves what stands beside it, or is no character. */
const UNSEEN = /[\p{C}\p{Default_Ignorable_Code_Point}\u2800]/gu;

/** Marks that pile up on one character reach into other lines. */
const PILED = /(\p{M}{2})\p{M}+/gu;

/**
 * One line of at most {@link MOST} characters without anything that ends a quotation or that cannot be seen.
 * @param {string} text
 * @param {number} [most]
 */
export function foreign(text, most = MOST) {
  // What is cut away is not looked at: it may be long.
  const start = text.slice(0, 8 * most);
  const line = start.replace(BLANKS, ' ').trim().replace(UNSEEN, '\uFFFD').replace(/\uFFFD{2,}/gu, '\uFFFD').replace(PILED, '$1').replace(QUOTES, '′');
  const characters = Array.from(line);
  return characters.length > most || start.length < text.length ? `${characters.slice(0, most - 1).join('')}…` : line;
}
