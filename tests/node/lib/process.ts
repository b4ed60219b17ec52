// One process of `openkey-node`.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';

/** Longest wait until a process listens, in milliseconds. */
const START = 30_000;

/** What a process prints when it listens. */
interface Ready {
  url: string;
  nodeId: string;
}

/** Processes that run now; they end with this one, however that ends. */
const children = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

/** A process that can be killed and started again on its directory. */
export class NodeProcess {
  readonly #command: readonly string[];
  readonly #log: string;
  #child: ChildProcess | undefined;
  #ready: Ready | undefined;

  /** `log` is the file that its standard error is appended to. */
  constructor(program: string, flags: readonly string[], log: string) {
    this.#command = [program, ...flags];
    this.#log = log;
  }

  /** Where it listens. */
  get url(): string {
    if (this.#ready === undefined) throw new Error('the node is not running');
    return this.#ready.url.replace(/\/$/, '');
  }

  /** Its own DID. */
  get nodeId(): string {
    return this.#ready?.nodeId ?? '';
  }

  /** Whether it should answer. */
  get up(): boolean {
    return this.#ready !== undefined;
  }

  /** Its process id. */
  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Starts it and waits until it listens. */
  async start(): Promise<void> {
    const [program = '', ...flags] = this.#command;
    const log = createWriteStream(this.#log, { flags: 'a' });
    const child = spawn(program, flags, { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stderr.pipe(log);
    children.add(child);
    child.once('exit', () => children.delete(child));
    this.#child = child;
    const timer = new AbortController();
    const line = await Promise.race([
      once(createInterface(child.stdout), 'line').then(([text]) => String(text)),
      once(child, 'error').then(([error]) => Promise.reject(error as Error)),
      once(child, 'exit').then(([code, signal]) => Promise.reject(new Error(`openkey-node ended with ${code ?? signal}; see ${this.#log}`))),
      new Promise<never>((_, reject) => {
        const id = setTimeout(() => reject(new Error(`openkey-node says nothing; see ${this.#log}`)), START);
        timer.signal.addEventListener('abort', () => clearTimeout(id));
      }),
    ]).finally(() => timer.abort());
    this.#ready = JSON.parse(line) as Ready;
  }

  /** Ends it at once: nothing is flushed, nothing is said. */
  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  /** Asks it to end. */
  stop(): Promise<void> {
    return this.#end('SIGTERM');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    this.#ready = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }
}
