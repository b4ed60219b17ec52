// Requests that no well-behaved client sends: byte for byte over a socket.

import { connect, type Socket } from 'node:net';

/** A connection to a node. */
export class Raw {
  readonly socket: Socket;
  #received = Buffer.alloc(0);
  #closed = false;
  #waiting: (() => void)[] = [];

  constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.socket = connect(Number(port), hostname);
    this.socket.on('data', (data: Buffer) => {
      this.#received = Buffer.concat([this.#received, data]);
      this.#wake();
    });
    this.socket.on('error', () => undefined);
    this.socket.on('close', () => {
      this.#closed = true;
      this.#wake();
    });
  }

  /** What arrived so far. */
  get text(): string {
    return this.#received.toString('latin1');
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** The status in the first line that arrived, or nothing. */
  get status(): number | undefined {
    const found = /^HTTP\/1\.[01] (\d{3})/.exec(this.text);
    return found === null ? undefined : Number(found[1]);
  }

  write(data: string | Uint8Array): this {
    this.socket.write(data);
    return this;
  }

  /** Waits until the answer satisfies `done`, the connection ends, or the time is over. */
  async until(done: (raw: Raw) => boolean, milliseconds: number): Promise<boolean> {
    const end = Date.now() + milliseconds;
    while (!done(this) && !this.#closed && Date.now() < end) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.max(1, end - Date.now()));
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    return done(this);
  }

  /** Waits for an answer's first line. */
  async answer(milliseconds = 10_000): Promise<number | undefined> {
    await this.until((raw) => raw.status !== undefined, milliseconds);
    return this.status;
  }

  close(): void {
    this.socket.destroy();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

/** One request with exactly this request line and these header lines, on a connection of its own. */
export const raw = async (url: string, lines: readonly string[], body: string | Uint8Array = ''): Promise<{ status: number | undefined; body: string }> => {
  const connection = new Raw(url);
  connection.write(`${[...lines, 'Host: localhost', 'Connection: close'].join('\r\n')}\r\n\r\n`).write(body);
  await connection.until(({ closed }) => closed, 10_000);
  const { status, text } = connection;
  connection.close();
  const split = text.indexOf('\r\n\r\n');
  return { status, body: split < 0 ? '' : text.slice(split + 4) };
};
