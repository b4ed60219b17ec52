// Programs that a browser runs between this page and its address. This page has none: whoever served a document
// of this origin once can have left one, and it decides from then on what the browser gets.

/** @typedef {{ unregister: () => Promise<boolean> }} Registration */
/** @typedef {{ controller: unknown, getRegistrations: () => Promise<readonly Registration[]> }} Workers */

/**
 * Looks for such programs and removes them. One that controls this very page goes with its tabs.
 * @param {() => void} found what to do before anything else if there is any
 * @param {Workers | undefined} [workers]
 * @returns {Promise<boolean>} whether there was any
 */
export async function foundWorkers(found, workers = globalThis.navigator?.serviceWorker) {
  if (!workers) return false;
  const controlled = workers.controller !== null;
  /** @type {readonly Registration[]} */
  let all = [];
  try {
    all = await workers.getRegistrations();
  } catch {
    // A browser that refuses storage to this page keeps none.
  }
  const any = controlled || all.length > 0;
  if (any) found();
  await Promise.allSettled(all.map((one) => one.unregister()));
  return any;
}

/**
 * Tells when such a program takes this open page.
 * @param {() => void} taken
 */
export function whenTaken(taken) {
  globalThis.navigator?.serviceWorker?.addEventListener('controllerchange', taken);
}
