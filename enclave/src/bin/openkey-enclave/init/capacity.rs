//! How much fits: an enclave's memory is fixed, and running out of it ends everybody's requests.

use openkey_enclave::boot::{Capacity, DEFAULT_ACCOUNTS};

/// What one tracked account takes, in bytes, table included.
const PER_ACCOUNT: u64 = 160;
/// The part of the memory that accounts may take: requests in flight, records and the kernel share
/// the rest.
const PART: u64 = 4;
/// Below that there is no use in starting.
const FEWEST: usize = 1024;

/// What an enclave of that much memory (bytes) takes on; the least if it does not know.
pub(crate) fn of(memory: Option<u64>) -> Capacity {
    let fit = memory.unwrap_or_default() / PART / PER_ACCOUNT;
    let fit = usize::try_from(fit).unwrap_or(usize::MAX);
    Capacity {
        accounts: fit.clamp(FEWEST, DEFAULT_ACCOUNTS),
        ..Capacity::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m6_accounts_fit_the_memory_there_is() {
        assert_eq!(of(None).accounts, FEWEST);
        assert_eq!(of(Some(1)).accounts, FEWEST);
        assert_eq!(of(Some(256 << 20)).accounts, 419_430);
        assert_eq!(of(Some(u64::MAX)).accounts, DEFAULT_ACCOUNTS);
        for memory in [128 << 20, 512 << 20, 8 << 30] {
            let taken = of(Some(memory)).accounts as u64 * PER_ACCOUNT;
            assert!(taken <= memory / PART, "{memory}");
        }
    }
}
