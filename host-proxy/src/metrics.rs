//! What a monitoring system may know: how many, how long, how full. Never who or what.
//!
//! Handles are made once and kept, so that counting costs an atomic addition.

use std::{sync::OnceLock, time::Duration};

use hyper::StatusCode;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram, with_local_recorder};
use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use openkey_edge::{
    accept::Failing,
    listen,
    metrics::{
        cpu_seconds,
        names::{
            ACCEPT_FAILURES, BATCH, COMMIT_SECONDS, CONNECTIONS, CONNECTIONS_REFUSED, CPU_SECONDS,
            IN_FLIGHT, REQUEST_SECONDS, REQUESTS, RESIDENT_BYTES, STORE_FAILURES,
        },
        resident_bytes,
    },
    sqlite::{self, DatabaseError},
};
use openkey_protocol::{client::CallError, message::EnclaveEvent};

use crate::http::Route;

/// Bounds of latencies, in seconds: from a cached page file to the longest deadline.
const SECONDS: &[f64] = &[
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0, 15.0,
];

/// Bounds of the number of commits in one transaction.
const WRITES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// Every status this server answers with; others are counted as the last.
const STATUSES: [u16; 13] = [
    200, 304, 400, 403, 404, 405, 413, 415, 429, 503, 504, 431, 500,
];

/// How the pool of an enclave fares.
pub(crate) struct PoolMetrics {
    in_flight: Gauge,
    ready: Gauge,
    busy: Counter,
    unreachable: Counter,
    unknown: Counter,
}

impl PoolMetrics {
    /// A call begins; it ends when the result is dropped, also when its client leaves.
    pub(crate) fn call(&self) -> impl Drop {
        struct Call<'a>(&'a Gauge);
        impl Drop for Call<'_> {
            fn drop(&mut self) {
                self.0.decrement(1);
            }
        }
        self.in_flight.increment(1);
        Call(&self.in_flight)
    }

    /// A call brought no reply.
    pub(crate) fn failed(&self, error: &CallError) {
        match error {
            error if error.effect_unknown() => &self.unknown,
            CallError::Busy | CallError::ServerBusy => &self.busy,
            _ => &self.unreachable,
        }
        .increment(1);
    }

    /// Whether the enclave answered when it was last asked how it is.
    pub(crate) fn ready(&self, ready: bool) {
        self.ready.set(f64::from(u8::from(ready)));
    }
}

/// All there is to count.
pub(crate) struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    routes: Vec<RouteMetrics>,
    pub(crate) in_flight: Gauge,
    connections: Gauge,
    connections_refused: Counter,
    /// Connections carried to enclaves' channels.
    pub(crate) channels: Gauge,
    channels_refused: Counter,
    not_accepted: Counter,
    store_seconds: Histogram,
    store_batch: Histogram,
    store_failures: Counter,
}

struct RouteMetrics {
    requests: [OnceLock<Counter>; STATUSES.len()],
    seconds: OnceLock<Histogram>,
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
        let handle = recorder.handle();
        let routes = Route::ALL.map(|_| RouteMetrics {
            requests: std::array::from_fn(|_| OnceLock::new()),
            seconds: OnceLock::new(),
        });
        let here = &recorder;
        let counter = |name: &'static str| with_local_recorder(here, || counter!(name));
        let gauge = |name: &'static str| with_local_recorder(here, || gauge!(name));
        let histogram = |name: &'static str| with_local_recorder(here, || histogram!(name));
        Ok(Self {
            handle,
            routes: routes.into(),
            in_flight: gauge(IN_FLIGHT),
            connections: gauge(CONNECTIONS),
            connections_refused: counter(CONNECTIONS_REFUSED),
            channels: gauge("openkey_channel_connections"),
            channels_refused: counter("openkey_channel_connections_refused_total"),
            not_accepted: counter(ACCEPT_FAILURES),
            store_seconds: histogram(COMMIT_SECONDS),
            store_batch: histogram(BATCH),
            store_failures: counter(STORE_FAILURES),
            recorder,
        })
    }

    /// Counts an answered request.
    pub(crate) fn answered(&self, route: Route, status: StatusCode, took: Duration) {
        let Some(metrics) = self.routes.get(route as usize) else {
            return;
        };
        let known = STATUSES.iter().position(|known| *known == status.as_u16());
        let index = known.unwrap_or(STATUSES.len() - 1);
        let (name, class) = route.labels();
        if let (Some(cell), Some(status)) = (metrics.requests.get(index), STATUSES.get(index)) {
            cell.get_or_init(|| {
                with_local_recorder(&self.recorder, || {
                    counter!(REQUESTS, "route" => name, "class" => class,
                        "status" => status.to_string())
                })
            })
            .increment(1);
        }
        metrics
            .seconds
            .get_or_init(|| {
                with_local_recorder(
                    &self.recorder,
                    || histogram!(REQUEST_SECONDS, "route" => name, "class" => class),
                )
            })
            .record(took);
    }

    /// The counters of one enclave's pool.
    pub(crate) fn pool(&self, id: &str) -> PoolMetrics {
        with_local_recorder(&self.recorder, || {
            let id = || id.to_owned();
            let failed = |why: &'static str| counter!("openkey_enclave_failures_total", "enclave" => id(), "why" => why);
            PoolMetrics {
                in_flight: gauge!("openkey_enclave_in_flight", "enclave" => id()),
                ready: gauge!("openkey_enclave_ready", "enclave" => id()),
                busy: failed("busy"),
                unreachable: failed("unreachable"),
                unknown: failed("effect_unknown"),
            }
        })
    }

    /// Counts a connection to a channel that was refused: its address had too many.
    pub(crate) fn channel_refused(&self) {
        self.channels_refused.increment(1);
    }

    /// What a listener does with its failures, which are counted here.
    pub(crate) fn failing(&self) -> Failing {
        let counter = self.not_accepted.clone();
        Failing::new(move || counter.increment(1))
    }

    /// Counts an event of an enclave.
    pub(crate) fn event(&self, event: &EnclaveEvent) {
        with_local_recorder(&self.recorder, || {
            let name = event_name(event);
            counter!("openkey_enclave_events_total", "event" => name).increment(1);
            if let EnclaveEvent::EventsLost { count } = event {
                counter!("openkey_enclave_events_lost_total").increment(*count);
            }
        });
    }

    /// Sizes that are looked up when asked for.
    pub(crate) fn sizes(&self, store_bytes: u64, limited_addresses: usize) {
        with_local_recorder(&self.recorder, || {
            gauge!("openkey_store_bytes").set(store_bytes as f64);
            gauge!("openkey_limiter_addresses").set(count(limited_addresses));
            gauge!(CPU_SECONDS).set(cpu_seconds());
            if let Some(bytes) = resident_bytes() {
                gauge!(RESIDENT_BYTES).set(bytes as f64);
            }
        });
    }

    /// The text Prometheus reads.
    pub(crate) fn render(&self) -> String {
        self.handle.render()
    }

    /// Folds samples together; to be called every few seconds.
    pub(crate) fn tidy(&self) {
        self.handle.run_upkeep();
    }
}

impl listen::Observer for Metrics {
    fn opened(&self) {
        self.connections.increment(1);
    }

    fn closed(&self) {
        self.connections.decrement(1);
    }

    fn refused(&self) {
        self.connections_refused.increment(1);
    }

    fn not_accepted(&self) {
        self.not_accepted.increment(1);
    }
}

impl sqlite::Observer for Metrics {
    fn committed(&self, writes: usize, took: Duration) {
        self.store_batch.record(count(writes));
        self.store_seconds.record(took);
    }

    fn failed(&self, error: &DatabaseError) {
        self.store_failures.increment(1);
        tracing::error!(%error, "a commit failed");
    }
}

/// An event's name, without what it says about anybody.
pub(crate) const fn event_name(event: &EnclaveEvent) -> &'static str {
    match event {
        EnclaveEvent::Booted => "booted",
        EnclaveEvent::RootReady { .. } => "root_ready",
        EnclaveEvent::RootSourceFailed { .. } => "root_source_failed",
        EnclaveEvent::Genesis => "genesis",
        EnclaveEvent::Share { good: true, .. } => "share_taken",
        EnclaveEvent::Share { good: false, .. } => "share_refused",
        EnclaveEvent::HandedOver { given: true } => "handed_over",
        EnclaveEvent::HandedOver { given: false } => "hand_over_refused",
        EnclaveEvent::UpgradeAnnounced { .. } => "upgrade_announced",
        EnclaveEvent::UpgradeConsented { .. } => "upgrade_consented",
        EnclaveEvent::UpgradeWithdrawn { .. } => "upgrade_withdrawn",
        EnclaveEvent::UpgradesHidden => "upgrades_hidden",
        EnclaveEvent::SecretSet => "secret_set",
        EnclaveEvent::Answered { .. } => "answered",
        EnclaveEvent::Refused { .. } => "refused",
        EnclaveEvent::ClockCorrected { .. } => "clock_corrected",
        EnclaveEvent::NsmFailed => "nsm_failed",
        EnclaveEvent::StoreFailed => "store_failed",
        EnclaveEvent::RolledBack => "rolled_back",
        EnclaveEvent::Forked => "forked",
        EnclaveEvent::HeadNotContinued => "head_not_continued",
        EnclaveEvent::RecordCorrupt => "record_corrupt",
        EnclaveEvent::SelfCheckFailed => "self_check_failed",
        EnclaveEvent::EventsLost { .. } => "events_lost",
        _ => "other",
    }
}

/// Counts here stay far below 2^53.
fn count(n: usize) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use openkey_edge::sqlite::Observer as _;

    use super::*;

    #[test]
    fn what_was_counted_is_shown() {
        let metrics = Metrics::new().unwrap();
        metrics.answered(Route::SignUp, StatusCode::OK, Duration::from_millis(3));
        metrics.answered(Route::SignUp, StatusCode::OK, Duration::from_millis(3));
        metrics.answered(Route::Page, StatusCode::IM_A_TEAPOT, Duration::ZERO);
        metrics.committed(3, Duration::from_millis(2));
        let pool = metrics.pool("e1");
        pool.ready(true);
        pool.failed(&CallError::Lost);
        metrics.event(&EnclaveEvent::RolledBack);
        metrics.event(&EnclaveEvent::EventsLost { count: 4 });
        let call = pool.call();
        drop(pool.call());
        metrics.sizes(4096, 7);
        metrics.tidy();
        let text = metrics.render();
        drop(call);
        for line in [
            r#"openkey_http_requests_total{route="enclave",class="sign-up",status="200"} 2"#,
            r#"openkey_http_requests_total{route="page",class="none",status="500"} 1"#,
            r#"openkey_http_request_seconds_bucket{route="enclave",class="sign-up",le="0.005"} 2"#,
            r#"openkey_store_batch_commits_bucket{le="4"} 1"#,
            r#"openkey_store_commit_seconds_count 1"#,
            r#"openkey_enclave_in_flight{enclave="e1"} 1"#,
            r#"openkey_enclave_failures_total{enclave="e1",why="effect_unknown"} 1"#,
            r#"openkey_enclave_ready{enclave="e1"} 1"#,
            r#"openkey_enclave_events_total{event="rolled_back"} 1"#,
            "openkey_enclave_events_lost_total 4",
            "openkey_store_bytes 4096",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert!(text.contains("process_cpu_seconds_total "));
        assert!(text.contains("process_resident_memory_bytes "));
    }
}
