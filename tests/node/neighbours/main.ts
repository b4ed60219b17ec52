// Measures how others fare while somebody attacks a node: `node run.js --neighbours [SECONDS] [ATTACK]...`.
//
// OPENKEY_NODE and OPENKEY_SIM name the programs, OPENKEY_NODE_FLAGS more flags of the node. Those who are measured ask at a steady pace; a request
// counts from when it was due. The attacker is a process of lower priority on the same machine, with many
// addresses. Prints a Markdown table.

import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { setPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { NodeProcess } from '../lib/process.js';
import { attacks } from './attacks.js';

/** What neighbours do, all at once: the kind of request, and how many of them, each 20 times a second. */
const KINDS = ['get', 'put', 'select', 'insert'] as const;
const EACH = 4;
const PACE = 50;
/** Before others are measured an attack goes on for so long, in milliseconds. */
const LEAD = 3000;

/** What the load program says. */
interface Report {
  requests: Record<string, number>;
  p50_ms: number;
  p99_ms: number;
  errors: Record<string, number>;
}

const program = (name: string): string => {
  const path = process.env[name];
  if (!path) throw new Error(`${name} must name a program`);
  return path;
};

/** More flags of the node: those of another version may differ. */
const flags = (process.env['OPENKEY_NODE_FLAGS'] ?? '').split(' ').filter(Boolean);

const self = fileURLToPath(import.meta.url);

/** Lets one kind of neighbour work. */
const neighbours = async (url: string, what: string, seconds: number): Promise<Report> => {
  const args = ['load-node', '--url', url, '--what', what, '--connections', String(EACH), '--pace-ms', String(PACE), '--seconds', String(seconds), '--seed', what, '--json'];
  const child = spawn(program('OPENKEY_SIM'), args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, error] = ['', ''];
  child.stdout.on('data', (data: Buffer) => (out += String(data)));
  child.stderr.on('data', (data: Buffer) => (error += String(data)));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) return { requests: {}, p50_ms: NaN, p99_ms: NaN, errors: { [error.trim().slice(0, 80)]: 1 } };
  return JSON.parse(out) as Report;
};

/** Resident memory of a process and its children, in MiB. */
const memory = async (pid: number): Promise<number> => {
  const own = async (of: string): Promise<number> => {
    const text = await readFile(`/proc/${of}/status`, 'utf8').catch(() => '');
    return Number(/VmRSS:\s+(\d+) kB/.exec(text)?.[1] ?? 0) / 1024;
  };
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  const all = await Promise.all([String(pid), ...children.trim().split(' ').filter(Boolean)].map(own));
  return all.reduce((sum, one) => sum + one, 0);
};

/** Bytes of all files below a directory. */
const size = async (dir: string): Promise<number> => {
  const names = await readdir(dir, { recursive: true });
  const sizes = await Promise.all(names.map((name) => stat(join(dir, name)).then((it) => (it.isFile() ? it.blocks * 512 : 0), () => 0)));
  return sizes.reduce((sum, one) => sum + one, 0);
};

/** One row: what neighbours met during an attack, or while there is none. */
const row = async (name: string | undefined, seconds: number): Promise<Report[]> => {
  const dir = await mkdtemp(join(tmpdir(), 'openkey-node-'));
  const data = join(dir, 'data');
  await mkdir(data);
  const node = new NodeProcess(program('OPENKEY_NODE'), ['--dir', data, '--listen', '127.0.0.1:0', '--json', '--quota-bytes', '20000000', ...flags], join(dir, 'log'));
  await node.start();
  // who is measured is there before the attack
  await Promise.all(KINDS.map((what) => neighbours(node.url, what, 1)));
  const attacker = name === undefined ? undefined : fork(self, ['--attack', name, node.url]);
  const answers = new Map<string, number>();
  attacker?.on('message', (counted) => {
    for (const [what, many] of Object.entries(counted as Record<string, number>)) answers.set(what, (answers.get(what) ?? 0) + many);
  });
  if (attacker) await sleep(LEAD);
  let most = 0;
  const watch = setInterval(() => void memory(node.pid).then((now) => (most = Math.max(most, now))), 200);
  const reports = await Promise.all(KINDS.map((what) => neighbours(node.url, what, seconds)));
  clearInterval(watch);
  if (attacker) {
    attacker.kill('SIGKILL');
    await once(attacker, 'exit');
  }
  const stored = await size(data);
  await node.stop();
  await rm(dir, { recursive: true, force: true });
  const told = [...answers].sort(([, a], [, b]) => b - a).map(([what, many]) => `${many} × ${what}`);
  const failed = reports.flatMap(({ errors }) => Object.entries(errors).map(([what, many]) => `${many} × ${what}`));
  const base = quiet;
  const times = reports.map(({ p99_ms }, at) => {
    const before = base?.[at]?.p99_ms;
    return `${p99_ms.toFixed(1)}${before === undefined ? '' : ` (${(p99_ms / before).toFixed(1)})`}`;
  });
  console.log(`| ${[name ?? 'nobody', ...times, failed.join(', ') || 'none', most.toFixed(0), (stored / 1e6).toFixed(0), told.join(', ') || '–'].join(' | ')} |`);
  return reports;
};

let quiet: Report[] | undefined;

const [flag, name = '', url = ''] = process.argv.slice(2);
if (flag === '--attack') {
  setPriority(5);
  let counts: Record<string, number> = {};
  setInterval(() => {
    process.send?.(counts);
    counts = {};
  }, 500);
  await attacks[name]?.({ url, count: (what) => void (counts[what] = (counts[what] ?? 0) + 1) });
} else {
  const seconds = Number(flag ?? 10);
  const asked = process.argv.slice(3);
  console.log(`| attack | ${KINDS.map((what) => `${what} p99, ms (times)`).join(' | ')} | neighbours refused | memory, MiB | stored, MB | the attacker was answered |`);
  console.log(`|${'---|'.repeat(KINDS.length + 5)}`);
  quiet = await row(undefined, seconds);
  for (const one of asked.length > 0 ? asked : Object.keys(attacks)) await row(one, seconds);
}
