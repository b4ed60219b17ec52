// The whole system as a person starts it: `openkey-sim up`, in a directory of its own.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** Longest wait for everything to answer, in milliseconds. */
const START = 60_000;

/**
 * @typedef {object} Ready what `--json` prints
 * @property {string} page
 * @property {string | null} node
 * @property {string} api
 * @property {string} dir
 * @property {string} root_certificate
 * @property {string} policy
 * @property {{ id: string, member: string, api: string, measurements: Record<string, string> }[]} enclaves
 * @property {{ name: string, pid: number }[]} processes
 */

export class Simulator {
  /**
   * @param {import('node:child_process').ChildProcess} child
   * @param {Ready} ready
   * @param {string} dir
   */
  constructor(child, ready, dir) {
    this.child = child;
    this.ready = ready;
    this.dir = dir;
    this.page = ready.page.replace(/\/$/, '');
    this.stopping = false;
  }

  /** @param {string[]} [more] flags */
  static async start(more = []) {
    const program = process.env['OPENKEY_SIM'];
    if (!program) throw new Error('OPENKEY_SIM must name the openkey-sim program');
    const dir = await mkdtemp(join(tmpdir(), 'openkey-browser-'));
    // To work on the page without building it in.
    const pageDir = process.env['OPENKEY_PAGE_DIR'];
    const page = pageDir ? ['--page-dir', pageDir] : [];
    // The enclave image, in the place of a process.
    const imageDir = process.env['OPENKEY_TEST_IMAGE'];
    const image = imageDir ? ['--image', imageDir] : [];
    const child = spawn(program, ['up', '--dir', dir, '--port', '0', '--json', ...page, ...image, ...more], { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    let errors = '';
    child.stderr.on('data', (data) => {
      errors = (errors + data).slice(-4000);
    });
    const line = await Promise.race([
      once(createInterface(child.stdout), 'line').then(([text]) => String(text)),
      once(child, 'exit').then(([code]) => Promise.reject(new Error(`openkey-sim ended with ${code}: ${errors}`))),
      new Promise((_, reject) => setTimeout(() => reject(new Error(`openkey-sim says nothing: ${errors}`)), START).unref()),
    ]);
    const simulator = new Simulator(child, JSON.parse(/** @type {string} */ (line)), dir);
    child.once('exit', (code, signal) => {
      if (!simulator.stopping) console.error(`openkey-sim ended by itself (${code ?? signal}): ${errors}`);
    });
    return simulator;
  }

  /**
   * Sets a fault, or clears all.
   * @param {string | null} fault such as `clock-offset=+2h`
   */
  async fault(fault) {
    const { execFileSync } = await import('node:child_process');
    const what = fault === null ? ['clear'] : ['set', fault];
    execFileSync(String(process.env['OPENKEY_SIM']), ['fault', '--dir', this.dir, ...what]);
    // A running simulation notices within 100 ms.
    await new Promise((resolve) => setTimeout(resolve, 300));
  }

  /** Kills the enclave's process; the simulator starts it again by itself. */
  async killEnclave() {
    const { execFileSync } = await import('node:child_process');
    const { pid, name } = this.ready.processes.find((one) => one.name.includes('enclave') || one.name === this.ready.enclaves[0]?.id) ?? {};
    if (pid === undefined) throw new Error(`no enclave among ${JSON.stringify(this.ready.processes)}`);
    const alive = () => {
      try {
        process.kill(pid, 0);
        return execFileSync('ps', ['-o', 'stat=', '-p', String(pid)]).toString().trim()[0] !== 'Z';
      } catch {
        return false;
      }
    };
    process.kill(pid, 'SIGKILL');
    while (alive()) await new Promise((resolve) => setTimeout(resolve, 5));
    return name;
  }

  /** Waits until the enclave answers again. */
  async answers() {
    for (let i = 0; i < 600; i += 1) {
      const ok = await fetch(`${this.page}/readyz`).then((response) => response.ok, () => false);
      if (ok) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error('the enclave does not come back');
  }

  async stop() {
    this.stopping = true;
    if (this.child.exitCode === null) {
      this.child.kill('SIGINT');
      await once(this.child, 'exit');
    }
    await rm(this.dir, { recursive: true, force: true });
  }
}
