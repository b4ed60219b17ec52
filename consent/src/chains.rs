//! Names of the common chains: a closed table, so that a name is never the caller's word.
//! Source: the public list of EIP-155 chain ids, <https://chainid.network>.

const NAMES: [(u64, &str); 32] = [
    (1, "Ethereum"),
    (10, "OP Mainnet"),
    (25, "Cronos"),
    (56, "BNB Smart Chain"),
    (100, "Gnosis"),
    (130, "Unichain"),
    (137, "Polygon"),
    (146, "Sonic"),
    (250, "Fantom"),
    (252, "Fraxtal"),
    (324, "ZKsync Era"),
    (480, "World Chain"),
    (1101, "Polygon zkEVM"),
    (1284, "Moonbeam"),
    (1337, "a development chain"),
    (5000, "Mantle"),
    (8453, "Base"),
    (17_000, "Holesky, a test chain"),
    (31_337, "a development chain"),
    (34_443, "Mode"),
    (42_161, "Arbitrum One"),
    (42_170, "Arbitrum Nova"),
    (42_220, "Celo"),
    (43_114, "Avalanche C-Chain"),
    (59_144, "Linea"),
    (81_457, "Blast"),
    (84_532, "Base Sepolia, a test chain"),
    (421_614, "Arbitrum Sepolia, a test chain"),
    (534_352, "Scroll"),
    (560_048, "Hoodi, a test chain"),
    (11_155_111, "Sepolia, a test chain"),
    (11_155_420, "OP Sepolia, a test chain"),
];

/// The name and number of a chain, or its number alone.
pub(super) fn name(id: u64) -> String {
    NAMES.iter().find(|(known, _)| *known == id).map_or_else(
        || format!("chain {id}, which has no name here"),
        |(_, name)| format!("{name} (chain {id})"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_is_there_once_and_in_order() {
        assert!(NAMES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(name(1), "Ethereum (chain 1)");
        assert_eq!(name(2), "chain 2, which has no name here");
    }
}
