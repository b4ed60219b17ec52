//! Signatures of accounts: ERC-191, <https://eips.ethereum.org/EIPS/eip-191>.

use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use sha3::{Digest as _, Keccak256};

use super::{CacaoError, RECOVERY, SIGNATURE};
use crate::address::{AddressBytes, of_key};

/// The Keccak-256 hash of a text under the ERC-191 prefix, version 0x45: what a wallet signs.
#[must_use]
pub fn eip191(text: &str) -> [u8; 32] {
    Keccak256::new()
        .chain_update(b"\x19Ethereum Signed Message:\n")
        .chain_update(text.len().to_string())
        .chain_update(text)
        .finalize()
        .into()
}

/// The address whose key made `r‖s‖v` over a hash.
pub(super) fn recover(
    digest: &[u8; 32],
    signature: &[u8; SIGNATURE],
) -> Result<AddressBytes, CacaoError> {
    let [rs @ .., v] = signature;
    // Wallets write 0 and 1, or 27 and 28.
    let recovery = match v % RECOVERY {
        0 => RecoveryId::new(false, false),
        1 => RecoveryId::new(true, false),
        _ => return Err(CacaoError::RecoveryId),
    };
    let signature = Signature::from_slice(rs).map_err(|_| CacaoError::Signature)?;
    // Of the two signs of `s` only one is Ethereum's: a second would be a second name.
    if signature.normalize_s() != signature {
        return Err(CacaoError::Signature);
    }
    let key = VerifyingKey::recover_from_prehash(digest, &signature, recovery)
        .map_err(|_| CacaoError::Signature)?;
    Ok(of_key(&key))
}
