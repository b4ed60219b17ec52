// Runs the tests of this directory: `node run.js [unit|e2e|FILE]...`, all of them by default.
//
// Playwright needs Node.js 20; where the system's is older (Debian 12), the tests run under the
// `node` package of npm instead.

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Oldest major version that every dependency supports. */
const NODE = 20;

const here = fileURLToPath(new URL('.', import.meta.url));
const parts = process.argv.slice(2);
const files = (parts.length > 0 ? parts : ['unit', 'e2e']).flatMap((part) =>
  part.endsWith('.test.js')
    ? [part]
    : readdirSync(join(here, part))
        .filter((name) => name.endsWith('.test.js'))
        .sort()
        .map((name) => join(part, name)),
);
const recent = Number(process.versions.node.split('.')[0]) >= NODE;
const [command, ...args] = recent ? [process.execPath] : ['npx', '--yes', `node@${NODE}`];
const run = spawnSync(command, [...args, '--test', '--test-concurrency=2', ...files], { cwd: here, stdio: 'inherit' });
if (run.error) throw run.error;
process.exitCode = run.status ?? 1;
