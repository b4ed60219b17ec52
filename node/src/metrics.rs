//! What a monitoring system may know: how many, how long. Never who or what.

use std::time::Duration;

use axum::http::StatusCode;
use metrics::{Gauge, Label, counter, gauge, histogram, with_local_recorder};
use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use openkey_edge::{
    listen,
    metrics::{
        cpu_seconds,
        names::{
            ACCEPT_FAILURES, BATCH, COMMIT_SECONDS, CONNECTIONS, CONNECTIONS_REFUSED, CPU_SECONDS,
            IN_FLIGHT, REQUEST_SECONDS, REQUESTS, RESIDENT_BYTES, STORE_FAILURES,
        },
        resident_bytes,
    },
    sqlite,
};

use crate::node::Node;
use crate::turns::Turns;

/// Readings that were cut off, because the value is not what was stored.
const DAMAGED_READINGS: &str = "openkey_node_damaged_readings_total";
/// Checks of large tokens that had their turn.
const LARGE_CHECKS: &str = "openkey_node_large_checks_total";
/// By how much the machine's clock is ahead of the node's time while that does not follow it.
const CLOCK_OFF_SECONDS: &str = "openkey_node_clock_off_seconds";
/// Free bytes of the disk, with those that are held back.
const DISK_FREE_BYTES: &str = "openkey_node_disk_free_bytes";

/// Bounds of latencies, in seconds.
const SECONDS: &[f64] = &[
    0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    10.0,
];
/// Bounds of the number of writes in one transaction.
const WRITES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// All there is to count.
pub(crate) struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
}

impl Metrics {
    /// # Errors
    ///
    /// [`BuildError`] if a histogram had no bounds.
    pub(crate) fn new() -> Result<Self, BuildError> {
        let recorder = PrometheusBuilder::new()
            .set_buckets(SECONDS)?
            .set_buckets_for_metric(Matcher::Full(BATCH.to_owned()), WRITES)?
            .build_recorder();
        Ok(Self {
            handle: recorder.handle(),
            recorder,
        })
    }

    /// A request is being answered until the guard is dropped, also when its client leaves.
    pub(crate) fn in_flight(&self) -> impl Drop {
        struct InFlight(Gauge);
        impl Drop for InFlight {
            fn drop(&mut self) {
                self.0.decrement(1);
            }
        }
        let gauge = with_local_recorder(&self.recorder, || gauge!(IN_FLIGHT));
        gauge.increment(1);
        InFlight(gauge)
    }

    pub(crate) fn answered(&self, route: &'static str, status: StatusCode, took: Duration) {
        let labels = vec![
            Label::from_static_parts("route", route),
            Label::new("status", status.as_u16().to_string()),
        ];
        with_local_recorder(&self.recorder, || {
            counter!(REQUESTS, labels).increment(1);
            histogram!(REQUEST_SECONDS, "route" => route).record(took.as_secs_f64());
        });
    }

    /// As Prometheus reads it.
    pub(crate) fn render(&self, node: &Node, turns: &Turns) -> String {
        with_local_recorder(&self.recorder, || {
            counter!(LARGE_CHECKS).absolute(turns.taken());
            counter!(DAMAGED_READINGS).absolute(node.signs.damaged_readings());
            let off_ms = node.clock_off_ms().unwrap_or(0);
            gauge!(CLOCK_OFF_SECONDS).set(off_ms as f64 / 1000.0);
            if let Ok(room) = node.disk.room() {
                gauge!(DISK_FREE_BYTES).set(room.free as f64);
            }
            gauge!(CPU_SECONDS).set(cpu_seconds());
            if let Some(bytes) = resident_bytes() {
                gauge!(RESIDENT_BYTES).set(bytes as f64);
            }
        });
        self.handle.render()
    }

    /// Folds what was counted, to be called every few seconds.
    pub(crate) fn tidy(&self) {
        self.handle.run_upkeep();
    }

    fn count(&self, name: &'static str) {
        with_local_recorder(&self.recorder, || counter!(name).increment(1));
    }
}

impl sqlite::Observer for Metrics {
    fn committed(&self, writes: usize, took: Duration) {
        with_local_recorder(&self.recorder, || {
            histogram!(COMMIT_SECONDS).record(took.as_secs_f64());
            histogram!(BATCH).record(u32::try_from(writes).map_or(f64::INFINITY, f64::from));
        });
    }

    fn failed(&self, _: &sqlite::DatabaseError) {
        self.count(STORE_FAILURES);
    }
}

impl listen::Observer for Metrics {
    fn opened(&self) {
        with_local_recorder(&self.recorder, || gauge!(CONNECTIONS).increment(1));
    }

    fn closed(&self) {
        with_local_recorder(&self.recorder, || gauge!(CONNECTIONS).decrement(1));
    }

    fn refused(&self) {
        self.count(CONNECTIONS_REFUSED);
    }

    fn not_accepted(&self) {
        self.count(ACCEPT_FAILURES);
    }
}
