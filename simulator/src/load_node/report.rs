//! What came of it.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::LoadNodeOptions;
use crate::load::percentile_ms;

/// Kinds of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A value was read.
    Get,
    /// A value was written.
    Put,
    /// A delegation was accepted.
    Delegate,
    /// A delegation was taken back.
    Revoke,
    /// Rows were read.
    Select,
    /// A row was written.
    Insert,
}

/// What a load run did.
#[derive(Clone, Debug, Serialize)]
pub struct NodeReport {
    /// Clients at once.
    pub connections: usize,
    /// How long, in seconds.
    pub seconds: f64,
    /// Requests that were answered with success, by kind.
    pub requests: BTreeMap<Kind, usize>,
    /// All of them in a second.
    pub requests_per_second: f64,
    /// Half of them took no longer, in milliseconds.
    pub p50_ms: f64,
    /// 99 of 100 took no longer, in milliseconds.
    pub p99_ms: f64,
    /// CPU of the node for one request, in microseconds, if its process is known.
    pub cpu_us_per_request: Option<f64>,
    /// What failed, by kind.
    pub errors: BTreeMap<String, usize>,
}

impl NodeReport {
    pub(super) fn new(
        options: &LoadNodeOptions,
        took_us: &[u64],
        requests: BTreeMap<Kind, usize>,
        errors: BTreeMap<String, usize>,
        seconds: f64,
        used_us: f64,
    ) -> Self {
        let count = took_us.len();
        Self {
            connections: options.connections,
            seconds,
            requests,
            requests_per_second: count as f64 / seconds,
            p50_ms: percentile_ms(took_us, 0.5),
            p99_ms: percentile_ms(took_us, 0.99),
            cpu_us_per_request: (!options.pids.is_empty()).then(|| used_us / count.max(1) as f64),
            errors,
        }
    }
}

impl fmt::Display for NodeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, count) in &self.requests {
            writeln!(f, "{kind:?}: {count}")?;
        }
        writeln!(
            f,
            "{:.0} requests/s at {} connections, p50 {:.2} ms, p99 {:.2} ms",
            self.requests_per_second, self.connections, self.p50_ms, self.p99_ms
        )?;
        if let Some(us) = self.cpu_us_per_request {
            writeln!(f, "CPU of the node: {us:.0} µs per request")?;
        }
        for (error, count) in &self.errors {
            writeln!(f, "failed: {error}: {count}")?;
        }
        Ok(())
    }
}

/// What was read back of what was acknowledged.
#[derive(Clone, Debug, Default, Serialize)]
pub struct NodeReadBack {
    /// What is there, by kind.
    pub there: BTreeMap<Kind, usize>,
    /// What is not.
    pub missing: Vec<String>,
}

impl NodeReadBack {
    pub(super) fn add(&mut self, kind: Kind, there: bool, what: &str) {
        if there {
            *self.there.entry(kind).or_default() += 1;
        } else {
            self.missing.push(what.to_owned());
        }
    }
}

impl fmt::Display for NodeReadBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, count) in &self.there {
            writeln!(f, "{kind:?}: {count} read back")?;
        }
        for what in &self.missing {
            writeln!(f, "missing: {what}")?;
        }
        writeln!(f, "{} missing", self.missing.len())
    }
}
