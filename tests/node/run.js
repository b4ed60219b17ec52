// Type-checks and compiles the tests, then runs them: `node run.js [FILE]...`, all by default.
//
// OPENKEY_NODE names the program `openkey-node`. The tests run against one process first; those in
// `flows` again against two processes on one directory, and again while one of the two is killed
// and restarted at random moments. OPENKEY_NODE_MODE=one|two|killed runs one of the three only.
// NODE_URL=http://…[,http://…] runs them against nodes that run already: those that need flags of
// their own skip.
//
// `node run.js --neighbours [SECONDS] [ATTACK]...` instead measures how others fare while somebody attacks a
// node (`neighbours/main.ts`).

import { spawnSync } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const build = join(here, 'build');

/** @param {string[]} args @param {Record<string, string>} [more] variables */
const run = (args, more = {}) => {
  const { status, error } = spawnSync(process.execPath, args, { cwd: here, stdio: 'inherit', env: { ...process.env, ...more } });
  if (error) throw error;
  return status === 0;
};

const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
rmSync(build, { recursive: true, force: true });
if (!run([compiler, '-p', here])) process.exit(1);

if (process.argv[2] === '--neighbours') process.exit(run(['--enable-source-maps', join(build, 'neighbours/main.js'), ...process.argv.slice(3)]) ? 0 : 1);

const all = readdirSync(build).filter((name) => name.endsWith('.test.js')).sort();
const asked = process.argv.slice(2).map((name) => `${name.replace(/(\.test)?(\.[jt]s)?$/, '')}.test.js`);
const files = asked.length > 0 ? asked : all;
const modes = process.env['OPENKEY_NODE_MODE'] ? [process.env['OPENKEY_NODE_MODE']] : ['one', 'two', 'killed'];

let passed = true;
for (const mode of modes) {
  const chosen = mode === 'one' ? files : files.filter((name) => name.startsWith('flows'));
  if (chosen.length === 0) continue;
  console.log(`\n==> ${mode}: ${chosen.join(' ')}`);
  passed = run(['--enable-source-maps', '--test', '--test-reporter=spec', ...chosen.map((name) => join('build', name))], { OPENKEY_NODE_MODE: mode }) && passed;
}
process.exitCode = passed ? 0 : 1;
