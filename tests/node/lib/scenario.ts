// A test that keeps the logs if it fails, and what tests of this package assert again and again.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Answer } from '../client/http.js';
import { noteFailure, ownProcesses } from './fleet.js';

/** Longest time that one scenario may take, in milliseconds. */
const LIMIT = 120_000;

/** A test. */
export const scenario = (name: string, work: () => Promise<void>): void => {
  void test(name, { timeout: LIMIT }, async () => {
    try {
      await work();
    } catch (error) {
      noteFailure();
      throw error;
    }
  });
};

/** A test of a node with flags of its own, or of several processes. */
export const ownScenario = (name: string, work: () => Promise<void>): void => {
  if (ownProcesses) scenario(name, work);
  else test(name, { skip: 'NODE_URL names nodes that run already' });
};

/** The answer has this status, and this text or a text like this. */
export const expect = (answer: Answer, status: number | readonly number[], text?: string | RegExp): Answer => {
  const statuses = typeof status === 'number' ? [status] : status;
  assert.ok(statuses.includes(answer.status), `expected ${statuses.join(' or ')}, got ${answer}`);
  if (typeof text === 'string') assert.equal(answer.text, text);
  if (text instanceof RegExp) assert.match(answer.text, text);
  return answer;
};

/** The status that a repeat may have, when an earlier attempt may have had its effect already. */
export const expectOnce = (answer: Answer, status: number, repeated: number): Answer =>
  expect(answer, answer.again ? [status, repeated] : status);

/** A refusal for want of authority, with the line that clients read the missing permission from. */
export const expectMissing = (answer: Answer, resource: string, ability: string): void => {
  expect(answer, 401);
  const line = /^Unauthorized Action:\s*(.+?)\s*\/\s*(tinycloud\.\S+)$/m.exec(answer.text);
  assert.ok(line, answer.toString());
  assert.deepEqual([line[1], line[2]], [resource, ability]);
};

/** A plain text of this media type. */
export const expectPlainText = (answer: Answer): void => {
  assert.match(answer.header('content-type') ?? '', /^text\/plain\b/, answer.toString());
};
