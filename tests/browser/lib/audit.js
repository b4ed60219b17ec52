// Looks at a view as it is now: axe-core, sideways scrolling, and a picture, in dark and light, on a
// phone and on a desk.

import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const PICTURES = fileURLToPath(new URL('../screenshots/', import.meta.url));
const SIZES = { desktop: { width: 1280, height: 850 }, phone: { width: 360, height: 780 } };
/** What a page enlarged four times has on a desk: WCAG 2.2, 1.4.10. */
const NARROWEST = { width: 320, height: 640 };

/**
 * @param {import('playwright-core').Page} page
 * @param {string} name of the view, for the pictures
 */
export async function audit(page, name) {
  await mkdir(PICTURES, { recursive: true });
  await page.evaluate(`typeof axe === 'undefined' ? void (() => { ${AXE} })() : 0`);
  for (const [size, viewport] of Object.entries(SIZES)) {
    await page.setViewportSize(viewport);
    for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      const where = `${name}, ${size}, ${colorScheme}`;
      const found = await page.evaluate(async () => {
        // @ts-expect-error axe was just put there
        const { violations } = await axe.run(document, { resultTypes: ['violations'] });
        return {
          violations: violations.map((/** @type {any} */ one) => `${one.id}: ${one.nodes.map((/** @type {any} */ node) => node.target.join(' ')).join(', ')}`),
          sideways: document.documentElement.scrollWidth - document.documentElement.clientWidth,
          // A dialog is wider than it is shown when something in it does not wrap.
          dialog: [...document.querySelectorAll('dialog[open], dialog[open] .dialog-body')].map((one) => one.scrollWidth - one.clientWidth),
        };
      });
      assert.deepEqual(found.violations, [], where);
      assert.equal(found.sideways, 0, `${where}: scrolls sideways`);
      assert.ok(found.dialog.every((excess) => excess <= 0), `${where}: the dialog scrolls sideways`);
      const open = await page.locator('dialog[open]').count();
      await page.screenshot({ path: `${PICTURES}${name}-${size}-${colorScheme}.png`, fullPage: open === 0 });
    }
  }
  await page.setViewportSize(NARROWEST);
  const sideways = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.equal(sideways, 0, `${name}, 320 pixels: scrolls sideways`);
  await page.setViewportSize(SIZES.desktop);
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: null });
}
