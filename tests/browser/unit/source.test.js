// The page as source: type-checked, vendored files unchanged, and nothing that could become markup.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const web = join(here, '../../../web');
const modules = join(here, '../node_modules');

/** @param {string} dir @returns {Promise<string[]>} */
const files = async (dir) =>
  (await readdir(dir, { withFileTypes: true })).reduce(
    async (list, entry) => [...(await list), ...(entry.isDirectory() ? await files(join(dir, entry.name)) : [join(dir, entry.name)])],
    Promise.resolve(/** @type {string[]} */ ([])),
  );
const sources = async () => (await files(web)).filter((file) => !relative(web, file).startsWith('vendor'));

test('the page passes the strict type check', () => {
  const root = dirname(createRequire(import.meta.url).resolve('typescript/package.json'));
  const run = spawnSync(process.execPath, [join(root, 'bin/tsc'), '-p', join(here, '../tsconfig.json'), '--pretty', 'false'], { encoding: 'utf8', cwd: join(here, '..') });
  assert.ok(run.status === 0 || run.stdout.length > 0, run.stderr);
  // Vendored files are checked by their own project, under its own options.
  const errors = run.stdout.split('\n').filter((line) => /^\S.*error TS/.test(line) && !/^\S*(web\/vendor|node_modules)\//.test(line));
  assert.deepEqual(errors, []);
});

test('vendored files are those of the locked package, byte for byte', async () => {
  const vendored = await files(join(web, 'vendor'));
  assert.ok(vendored.length > 10);
  for (const file of vendored) {
    const original = join(modules, relative(join(web, 'vendor'), file));
    assert.deepEqual(await readFile(file), await readFile(original), file);
  }
});

test('nothing in the page parses markup, evaluates text, styles inline or loads from elsewhere', async () => {
  const forbidden = [/\.innerHTML|\.outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|setHTML/, /\beval\(|new Function\b/, /\bstyle="|['"]style['"]\s*:|\.style\b/, /\bon[a-z]+="/, /https?:\/\/(?!www\.w3\.org\/2000\/svg)[a-z]/];
  for (const file of await sources()) {
    if (!/\.(js|html|css)$/.test(file)) continue;
    const text = await readFile(file, 'utf8');
    for (const pattern of forbidden) assert.doesNotMatch(text, pattern, relative(web, file));
  }
});

test('e15_the_page_links_and_loads_nothing_of_its_address_that_is_not_released', async () => {
  const released = new Set((await files(web)).map((file) => relative(web, file)));
  for (const file of await sources()) {
    const text = await readFile(file, 'utf8');
    const links = file.endsWith('.html') ? [...text.matchAll(/\b(?:href|src|action)="([^"]*)"/g)] : file.endsWith('.js') ? [...text.matchAll(/\b(?:href|src|action|location|open)\b['"]?\s*[:=(]\s*['"`]([^'"`$]*)/g)] : [];
    for (const [, link = ''] of links) assert.ok(link.startsWith('#') || released.has(link), `${relative(web, file)} links “${link}”`);
  }
});

test('no words of the page promise that nothing happened: it cannot know', async () => {
  const promise = /[Nn]othing (was|is|of|you|has)\b|[Nn]othing changed|[Rr]eleased nothing|(was|is) not done|[Nn]othing happened|(did not|cannot|never) happen/;
  for (const file of await sources()) {
    if (!file.endsWith('.js')) continue;
    const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => !/^\s*(\/\/|\/?\*)/.test(line));
    for (const line of lines) assert.doesNotMatch(line, promise, relative(web, file));
  }
});

test('files stay small enough to be read at once', async () => {
  for (const file of await sources()) {
    if (!file.endsWith('.js')) continue;
    const lines = (await readFile(file, 'utf8')).split('\n').length;
    assert.ok(lines < 400, `${relative(web, file)} has ${lines} lines`);
  }
});
