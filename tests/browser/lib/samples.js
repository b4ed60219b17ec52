// Typed data for the tests: a token permit (ERC-2612), which must be flagged as dangerous.

export const PERMIT = {
  types: {
    EIP712Domain: [
      { name: 'name', type: 'string' },
      { name: 'version', type: 'string' },
      { name: 'chainId', type: 'uint256' },
      { name: 'verifyingContract', type: 'address' },
    ],
    Permit: [
      { name: 'owner', type: 'address' },
      { name: 'spender', type: 'address' },
      { name: 'value', type: 'uint256' },
      { name: 'nonce', type: 'uint256' },
      { name: 'deadline', type: 'uint256' },
    ],
  },
  primaryType: 'Permit',
  domain: { name: 'Test Dollar', version: '1', chainId: 1, verifyingContract: '0x1111111111111111111111111111111111111111' },
  message: {
    owner: '0x2222222222222222222222222222222222222222',
    spender: '0x3333333333333333333333333333333333333333',
    value: '115792089237316195423570985008687907853269984665640564039457584007913129639935',
    nonce: '0',
    deadline: '4102444800',
  },
};
