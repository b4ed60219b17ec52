// An owner key's public face, and the receipt file that proves it.

import { h } from '../dom.js';
import { copyable, download, facts } from '../ui.js';

/** @import { KeptReceipt } from '../store.js' */

/**
 * The CAIP-10 account on Ethereum mainnet as a `did:pkh` (method specification of W3C CCG).
 * @param {string} address in EIP-55 form
 */
export function did(address) {
  return `did:pkh:eip155:1:${address}`;
}

/** @param {string} address in EIP-55 form */
export function addressFacts(address) {
  return facts(['Address', copyable(address, 'address')], ['DID', copyable(did(address), 'DID')]);
}

/**
 * A button that saves the receipt as a file for `openkey-verify account`.
 * @param {string} account hex
 * @param {KeptReceipt} kept
 */
export function saveReceipt(account, kept) {
  return h(
    'button',
    {
      type: 'button',
      onclick: () => download(`openkey-receipt-${account.slice(0, 8)}.json`, `${JSON.stringify(kept.file, null, 2)}\n`, 'application/json'),
    },
    'Save receipt',
  );
}
