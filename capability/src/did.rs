//! `did:pkh` names of Ethereum accounts: <https://github.com/w3c-ccg/did-pkh> over CAIP-10.

use core::num::NonZeroU64;

use crate::address::{AddressBytes, eip55};

/// `did:pkh:eip155:<chain>:<address>`, the address in its ERC-55 spelling.
///
/// The chain is part of the name: the same key on another chain is another account.
#[must_use]
pub fn pkh(chain_id: NonZeroU64, address: &AddressBytes) -> String {
    format!("did:pkh:eip155:{chain_id}:{}", eip55(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_is_part_of_the_name() {
        let mut address = [0; 20];
        hex::decode_to_slice("f39fd6e51aad88f6f4ce6ab8827279cfffb92266", &mut address).unwrap();
        let name = |chain| pkh(NonZeroU64::new(chain).unwrap(), &address);
        assert_eq!(
            name(1),
            "did:pkh:eip155:1:0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
        );
        assert_ne!(name(1), name(10));
    }
}
