// Owners: Ethereum accounts.

import type { Hex } from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { getAddress } from 'viem/utils';

/** An account that signs texts (EIP-191), and the names of what it owns. */
export class Wallet {
  readonly address: string;
  readonly did: string;
  readonly #account: ReturnType<typeof privateKeyToAccount>;

  constructor(key: Hex = generatePrivateKey(), chain = 1) {
    this.#account = privateKeyToAccount(key);
    this.address = getAddress(this.#account.address);
    this.did = `did:pkh:eip155:${chain}:${this.address}`;
  }

  /** A space of this owner. */
  space(name = 'default'): string {
    return `tinycloud:${this.did.slice('did:'.length)}:${name}`;
  }

  /** An encryption network of this owner. */
  network(name = 'default'): string {
    return `urn:tinycloud:encryption:${this.did}:${name}`;
  }

  /** `0x` and 65 bytes in hexadecimal. */
  sign(text: string): Promise<Hex> {
    return this.#account.signMessage({ message: text });
  }
}
