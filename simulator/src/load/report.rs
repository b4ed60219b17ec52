//! What a load run found.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// What a load run found, as `--json` prints it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Accounts that were signed up and confirmed.
    pub accounts: usize,
    /// How long that took.
    pub sign_up_seconds: f64,
    /// Signatures acknowledged and checked.
    pub signatures: usize,
    /// For how long people signed.
    pub seconds: f64,
    /// Signatures per second.
    pub signatures_per_second: f64,
    /// Half of the signatures were quicker, in milliseconds from the proposal to the checked
    /// signature (two requests).
    pub p50_ms: f64,
    /// One in a hundred was slower.
    pub p99_ms: f64,
    /// Requests while people signed: two for a signature.
    pub requests: usize,
    /// CPU of each process per request, in microseconds; absent for a process of another machine,
    /// or one that was started again.
    pub cpu_us_per_request: BTreeMap<String, f64>,
    /// Failures while people signed, by kind; each was tried again.
    pub errors: BTreeMap<String, usize>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |name: &str, value: &dyn fmt::Display| writeln!(f, "  {name:<22} {value}");
        row(
            "accounts",
            &format_args!("{} in {:.1} s", self.accounts, self.sign_up_seconds),
        )?;
        row(
            "signatures",
            &format_args!("{} in {:.1} s", self.signatures, self.seconds),
        )?;
        row(
            "signatures per second",
            &format_args!("{:.1}", self.signatures_per_second),
        )?;
        row(
            "latency",
            &format_args!(
                "p50 {:.1} ms, p99 {:.1} ms (proposal to checked signature)",
                self.p50_ms, self.p99_ms
            ),
        )?;
        for (name, cpu) in &self.cpu_us_per_request {
            row(
                &format!("CPU of {name}"),
                &format_args!("{cpu:.0} µs per request"),
            )?;
        }
        if self.errors.is_empty() {
            row("errors", &"none")?;
        }
        for (kind, count) in &self.errors {
            row(&format!("error {kind}"), count)?;
        }
        Ok(())
    }
}

/// What reading acknowledgements back found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReadBack {
    /// Accounts that were looked at.
    pub accounts: usize,
    /// Acknowledged signatures that were looked for.
    pub signatures: usize,
    /// What is not there; empty means that nothing was lost.
    pub missing: Vec<String>,
}

impl fmt::Display for ReadBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} accounts and {} signatures were acknowledged; {} are missing",
            self.accounts,
            self.signatures,
            self.missing.len()
        )?;
        for missing in &self.missing {
            writeln!(f, "  {missing}")?;
        }
        Ok(())
    }
}

/// The value below which `share` of a sorted list lies, in milliseconds.
pub(crate) fn percentile_ms(sorted_us: &[u64], share: f64) -> f64 {
    let last = sorted_us.len().saturating_sub(1);
    // A share of a length: it fits, and it is not negative.
    let at = (last as f64 * share).round() as usize;
    sorted_us.get(at).copied().unwrap_or_default() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_of_the_list() {
        let us: Vec<u64> = (0..=100).map(|n| n * 1000).collect();
        assert_eq!(percentile_ms(&us, 0.5), 50.0);
        assert_eq!(percentile_ms(&us, 0.99), 99.0);
        assert_eq!(percentile_ms(&[], 0.5), 0.0);
        assert_eq!(percentile_ms(&[7000], 0.99), 7.0);
    }
}
