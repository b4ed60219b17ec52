// Programs between the page and its address: found by any sign of them, and removed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { foundWorkers } from '../../../web/workers.js';

/** @param {{ controller?: unknown, all?: number, refused?: boolean, stays?: boolean }} given */
const browser = ({ controller = null, all = 0, refused = false, stays = false }) => {
  const state = { removed: 0 };
  const unregister = async () => {
    if (stays) throw new Error('stays');
    state.removed += 1;
    return true;
  };
  const getRegistrations = async () => {
    if (refused) throw new Error('SecurityError');
    return Array.from({ length: all }, () => ({ unregister }));
  };
  return { state, workers: { controller, getRegistrations } };
};

test('a browser without such programs is one', async () => {
  assert.equal(await foundWorkers(undefined), false);
  assert.equal(await foundWorkers(browser({}).workers), false);
  assert.equal(await foundWorkers(browser({ refused: true }).workers), false);
});

test('e15_a_service_worker_is_found_and_removed_whichever_way_it_shows', async () => {
  const { state, workers } = browser({ all: 2 });
  assert.equal(await foundWorkers(workers), true);
  assert.equal(state.removed, 2);
  assert.equal(await foundWorkers(browser({ controller: {} }).workers), true);
  assert.equal(await foundWorkers(browser({ controller: {}, refused: true }).workers), true);
  assert.equal(await foundWorkers(browser({ all: 1, stays: true }).workers), true);
});
