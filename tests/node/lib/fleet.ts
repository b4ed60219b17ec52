// The nodes that tests talk to: one process, two on one directory, or two of which one or the other
// is killed and restarted at random moments.

import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { exchange, Answer, type Request, type Transport } from '../client/http.js';
import { NodeProcess } from './process.js';

/** How the nodes behave. */
export type Mode = 'one' | 'two' | 'killed';

/** Longest time that a request is tried again after its process died, in milliseconds. */
const PATIENCE = 20_000;
/** Between two kills, in milliseconds: enough requests pass, enough kills hit one of them. */
const PEACE = { least: 20, most: 400 };

/** No limits by address: all tests come from one. */
export const UNLIMITED: readonly string[] = ['--rate', 'off', '--failure-rate', 'off', '--health-rate', 'off', '--public-rate', 'off'];

/** The mode that the environment asks for. */
export const asked = (): Mode => {
  const mode = process.env['OPENKEY_NODE_MODE'] ?? 'one';
  if (mode !== 'one' && mode !== 'two' && mode !== 'killed') throw new Error(`OPENKEY_NODE_MODE must be one, two or killed, not ${mode}`);
  return mode;
};

/** Nodes that run already, by their addresses. */
const running = (process.env['NODE_URL'] ?? '').split(',').filter((url) => url !== '');

/** Whether tests may start processes, and so give them flags. */
export const ownProcesses = running.length === 0;

/** Whether any test of this file failed: then logs and data are kept. */
let failed = false;
/** Remembers a failure. */
export const noteFailure = (): void => {
  failed = true;
};

export class Fleet implements Transport {
  readonly mode: Mode;
  /** Data and logs. */
  readonly dir: string;
  readonly processes: readonly NodeProcess[];
  #turn = 0;
  #killing = false;
  #killer: Promise<void> | undefined;
  /** How many scenarios must not be disturbed now. */
  #calm = 0;
  #cycle: Promise<void> = Promise.resolve();
  /** How often a process was killed. */
  kills = 0;

  private constructor(mode: Mode, dir: string, processes: readonly NodeProcess[]) {
    this.mode = mode;
    this.dir = dir;
    this.processes = processes;
  }

  /** Starts the processes of this mode on a directory of their own. */
  static async start(flags: readonly string[] = UNLIMITED, mode: Mode = asked()): Promise<Fleet> {
    const dir = await mkdtemp(join(tmpdir(), 'openkey-node-'));
    if (!ownProcesses) return new Fleet(mode, dir, []);
    const program = process.env['OPENKEY_NODE'];
    if (!program) throw new Error('OPENKEY_NODE must name the openkey-node program, or NODE_URL a running node');
    const data = join(dir, 'data');
    await mkdir(data);
    const all = ['--dir', data, '--listen', '127.0.0.1:0', '--json', ...flags];
    const count = mode === 'one' ? 1 : 2;
    const processes = Array.from({ length: count }, (_, i) => new NodeProcess(program, all, join(dir, `node-${i}.log`)));
    const fleet = new Fleet(mode, dir, processes);
    try {
      // both at once: they race for the directory
      await Promise.all(processes.map((one) => one.start()));
    } catch (error) {
      await fleet.stop();
      throw error;
    }
    if (mode === 'killed') {
      // Node's `fetch` prepares itself during its first request, and waits for ever if the server
      // ends meanwhile.
      await fleet.send(() => ({ method: 'GET', path: '/healthz' }));
      fleet.#startKilling();
    }
    return fleet;
  }

  /** Addresses of the nodes that are up. */
  get urls(): string[] {
    return ownProcesses ? this.processes.filter(({ up }) => up).map(({ url }) => url) : running;
  }

  /** The address of one of them, each in turn. */
  get url(): string {
    const { urls } = this;
    this.#turn += 1;
    const url = urls[this.#turn % urls.length];
    if (url === undefined) throw new Error('no node is up');
    return url;
  }

  async send(mint: () => Request): Promise<Answer> {
    if (this.mode !== 'killed') return exchange(this.url, mint());
    const end = Date.now() + PATIENCE;
    for (let again = false; ; again = true) {
      try {
        const { status, headers, bytes } = await exchange(this.url, mint());
        return new Answer(status, headers, bytes, again);
      } catch (error) {
        // no answer: a client makes a new token and tries again
        if (Date.now() > end) throw error;
        await sleep(10);
      }
    }
  }

  /** The node number `i` alone. */
  at(i: number): Transport {
    const url = (): string => {
      const { urls } = this;
      return urls[i % urls.length] ?? '';
    };
    return { send: (mint) => exchange(url(), mint()) };
  }

  /** Runs `work` while nobody is killed, for scenarios in which an answer must not get lost. */
  async calm<T>(work: () => Promise<T>): Promise<T> {
    this.#calm += 1;
    await this.#cycle;
    try {
      return await work();
    } finally {
      this.#calm -= 1;
    }
  }

  #startKilling(): void {
    this.#killing = true;
    this.#killer = (async () => {
      while (this.#killing) {
        await sleep(PEACE.least + Math.random() * (PEACE.most - PEACE.least));
        if (this.#calm > 0) continue;
        const victim = this.processes[Math.floor(Math.random() * this.processes.length)];
        if (victim === undefined || !this.#killing) return;
        this.#cycle = victim.kill().then(() => victim.start());
        this.kills += 1;
        await this.#cycle;
      }
    })();
    this.#killer.catch((error: unknown) => {
      noteFailure();
      console.error('a killed node does not come back:', error);
    });
  }

  /** Ends everything; logs and data stay if a test failed. */
  async stop(): Promise<void> {
    this.#killing = false;
    await this.#killer?.catch(() => undefined);
    await Promise.all(this.processes.map((one) => one.stop()));
    if (failed) console.error(`logs and data are kept in ${this.dir}`);
    else await rm(this.dir, { recursive: true, force: true });
  }
}
