// The programs that docs/node.md and docs/node-api.md show.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Fleet, UNLIMITED } from './lib/fleet.js';
import { ownScenario, scenario } from './lib/scenario.js';

const SECRET = 'a secret of the documentation';
const dir = mkdtempSync(join(tmpdir(), 'openkey-example-'));
const secretFile = join(dir, 'secret');
writeFileSync(secretFile, SECRET);
const fleet = await Fleet.start([...UNLIMITED, '--admin-secret-file', secretFile]);
after(async () => {
  await fleet.stop();
  rmSync(dir, { recursive: true });
});

/** The blocks of a page, in order. */
const blocks = (page: string): string[] => {
  const text = readFileSync(new URL(`../../../docs/${page}`, import.meta.url), 'utf8');
  return [...text.matchAll(/^```js\n([^]*?)^```$/gm)].map(([, block = '']) => block);
};

/** What a program prints; its exit status must be 0. */
const printed = async (file: string, program: string, ...args: string[]): Promise<string> => {
  writeFileSync(file, program);
  return (await promisify(execFile)(process.execPath, [file, ...args])).stdout;
};

scenario('the program in the documentation writes and reads a value', async () => {
  const [program] = blocks('node.md');
  assert.ok(program !== undefined);
  const stdout = await printed(join(dir, 'first.mjs'), program, fleet.url);
  const statuses = stdout.trim().split('\n').map((line) => /^(?:GET|POST) \/[a-z]+: (\d+)/.exec(line)?.[1]);
  assert.deepEqual(statuses, ['200', '200', '200', '200', '200']);
  assert.ok(stdout.endsWith('POST /invoke: 200 Hello, node\n'), stdout);
});

ownScenario('the blocks of the reference are one program, and each finds what its text says', async () => {
  const all = blocks('node-api.md');
  assert.ok(all.length > 15, `${all.length} blocks`);
  // what only defines is asserted by those that follow
  const asserting = all.filter((block) => /\bassert\.(?:equal|deepEqual|ok)\(/.test(block));
  assert.ok(asserting.length >= all.length - 3, `${asserting.length} of ${all.length} blocks assert something`);
  const program = [...all, "console.log('all of it')\n"].join('\n');
  // beside the packages that it imports
  const file = fileURLToPath(new URL('api.mjs', import.meta.url));
  assert.equal(await printed(file, program, fleet.url, SECRET), 'all of it\n');
});
