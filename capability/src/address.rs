//! Ethereum addresses as text: EIP-55, <https://eips.ethereum.org/EIPS/eip-55>.

use k256::ecdsa::VerifyingKey;
use sha3::{Digest as _, Keccak256};

/// The 20 bytes of an Ethereum address.
pub type AddressBytes = [u8; 20];

/// Why a text is not an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// It is not `0x` and forty hexadecimal digits.
    #[error("an address is 0x and forty hexadecimal digits")]
    Shape,
    /// The capitals are not those of the EIP-55 checksum.
    #[error("the capitals of the address do not match its EIP-55 checksum")]
    Checksum,
}

/// Whether the capitals of an address must carry the checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capitals {
    /// Exactly the EIP-55 text.
    Checked,
    /// The EIP-55 text, or lower case throughout, which carries no checksum.
    CheckedOrLower,
}

/// The account of a key: the end of the Keccak-256 hash of its point (Ethereum yellow paper,
/// appendix F).
pub(crate) fn of_key(key: &VerifyingKey) -> AddressBytes {
    let point = key.to_sec1_point(false);
    // without the byte that says that the point is not compressed
    let coordinates = point.as_bytes().get(1..).unwrap_or_default();
    let hash: [u8; 32] = Keccak256::digest(coordinates).into();
    hash.last_chunk().copied().unwrap_or_default()
}

/// The EIP-55 text of an address.
#[must_use]
pub fn eip55(address: &AddressBytes) -> String {
    let lower = hex::encode(address);
    let hash: [u8; 32] = Keccak256::digest(lower.as_bytes()).into();
    let mut text = String::with_capacity(42);
    text.push_str("0x");
    for (position, digit) in lower.chars().enumerate() {
        let byte = hash.get(position / 2).copied().unwrap_or_default();
        let nibble = if position % 2 == 0 {
            byte >> 4
        } else {
            byte & 0x0f
        };
        text.push(if nibble >= 8 {
            digit.to_ascii_uppercase()
        } else {
            digit
        });
    }
    text
}

/// Reads an address.
///
/// # Errors
///
/// [`AddressError`]: another shape, or capitals that the rule does not allow.
pub fn parse_address(text: &str, capitals: Capitals) -> Result<AddressBytes, AddressError> {
    let digits = text.strip_prefix("0x").ok_or(AddressError::Shape)?;
    let mut address = [0; 20];
    hex::decode_to_slice(digits, &mut address).map_err(|_| AddressError::Shape)?;
    let lower_is_fine = capitals == Capitals::CheckedOrLower
        && !digits.bytes().any(|digit| digit.is_ascii_uppercase());
    if lower_is_fine || eip55(&address) == text {
        Ok(address)
    } else {
        Err(AddressError::Checksum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test cases of EIP-55 itself.
    const SPECIFIED: [&str; 8] = [
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
        "0xde709f2102306220921060314715629080e2fb77",
        "0x27b1fdb04752bbc536007a920d24acb045561c26",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ];

    #[test]
    fn specified_cases_round_trip() {
        for text in SPECIFIED {
            let address = parse_address(text, Capitals::Checked).unwrap();
            assert_eq!(eip55(&address), text);
        }
    }

    #[test]
    fn one_wrong_capital_is_refused() {
        let wrong = "0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
        for rule in [Capitals::Checked, Capitals::CheckedOrLower] {
            assert_eq!(parse_address(wrong, rule), Err(AddressError::Checksum));
        }
    }

    #[test]
    fn lower_case_carries_no_checksum() {
        let lower = SPECIFIED[4].to_lowercase();
        assert!(parse_address(&lower, Capitals::CheckedOrLower).is_ok());
        assert_eq!(
            parse_address(&lower, Capitals::Checked),
            Err(AddressError::Checksum)
        );
    }

    #[test]
    fn other_shapes_are_refused() {
        let good = SPECIFIED[4];
        for text in [
            "",
            "0x",
            &good[2..],
            &good[..41],
            &format!("{good}0"),
            &good.replacen("0x", "0X", 1),
            &good.replacen('5', "g", 1),
            &format!(" {good}"),
        ] {
            assert_eq!(
                parse_address(text, Capitals::CheckedOrLower),
                Err(AddressError::Shape),
                "{text:?}"
            );
        }
    }
}
