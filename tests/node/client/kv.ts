// Values by key.

import type { Answer } from './http.js';
import type { Ask, Invoker } from './invoker.js';
import { grants } from './recap.js';

/** What a batch read answers for one key. */
export interface BatchItem {
  key: string;
  ok: boolean;
  dataBase64?: string;
  headers?: Record<string, string>;
  error?: { code: string; message: string };
}

/** A part of a batch: its path and its value. */
export interface Part {
  path: string;
  value: string | Uint8Array;
  type?: string;
}

/** The body of a batch put: part names are percent-encoded paths. */
export const multipart = (parts: readonly Part[]): FormData => {
  const form = new FormData();
  for (const { path, value, type = 'application/octet-stream' } of parts) {
    form.append(encodeURIComponent(path), new Blob([value], { type }), 'value');
  }
  return form;
};

/** The values of one space. */
export class Kv {
  readonly by: Invoker;
  readonly space: string;

  constructor(by: Invoker, space: string) {
    this.by = by;
    this.space = space;
  }

  /** The resource of a key. */
  resource(path: string): string {
    return `${this.space}/kv/${path}`;
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.by.one(this.resource(path), 'tinycloud.kv/get', { headers });
  }

  put(path: string, body: string | Uint8Array, headers: Record<string, string> = {}): Promise<Answer> {
    return this.by.one(this.resource(path), 'tinycloud.kv/put', { headers, body });
  }

  del(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.by.one(this.resource(path), 'tinycloud.kv/del', { headers });
  }

  head(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.by.one(this.resource(path), 'tinycloud.kv/metadata', { headers });
  }

  list(prefix: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.by.one(this.resource(prefix), 'tinycloud.kv/list', { headers });
  }

  /** One ability on many keys. */
  batch(ability: string, paths: readonly string[], ask: Ask = {}): Promise<Answer> {
    return this.by.invoke(grants(Object.fromEntries(paths.map((path) => [this.resource(path), [ability]]))), ask);
  }

  batchPut(parts: readonly Part[]): Promise<Answer> {
    return this.batch('tinycloud.kv/put', parts.map(({ path }) => path), { body: multipart(parts) });
  }

  batchGet(paths: readonly string[]): Promise<Answer> {
    return this.batch('tinycloud.kv/get', paths);
  }
}
