// The program that docs/node.md shows.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { promisify } from 'node:util';
import { Fleet } from './lib/fleet.js';
import { scenario } from './lib/scenario.js';

const fleet = await Fleet.start();
after(() => fleet.stop());

scenario('the program in the documentation writes and reads a value', async () => {
  const text = readFileSync(new URL('../../../docs/node.md', import.meta.url), 'utf8');
  const program = /```js\n([^]*?)```/.exec(text)?.[1];
  assert.ok(program !== undefined);
  const dir = mkdtempSync(join(tmpdir(), 'openkey-example-'));
  try {
    const file = join(dir, 'first.mjs');
    writeFileSync(file, program);
    const { stdout } = await promisify(execFile)(process.execPath, [file, fleet.url]);
    const statuses = stdout.trim().split('\n').map((line) => /^(?:GET|POST) \/[a-z]+: (\d+)/.exec(line)?.[1]);
    assert.deepEqual(statuses, ['200', '200', '200', '200', '200']);
    assert.ok(stdout.endsWith('POST /invoke: 200 Hello, node\n'), stdout);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
