//! The untrusted half as a process.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use openkey_host_proxy::{Clock, Config, EnclaveConfig, Parts, ServicesConfig};
use openkey_protocol::transport::Address;

use super::{ENCLAVE_ID, MEMBER, ProcessOptions, life};
use crate::dir::Dir;
use crate::fault::{Board, FaultyStore};

/// For requests in flight when told to stop. Everything ends within two seconds of Ctrl-C.
const DRAIN: Duration = Duration::from_millis(1000);

pub(super) async fn run(
    dir: &Dir,
    options: &ProcessOptions,
    board: Arc<Board>,
) -> anyhow::Result<()> {
    let kept = dir.kept()?.context("config.json is missing")?;
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, kept.port));
    let enclave = EnclaveConfig {
        id: ENCLAVE_ID.to_owned(),
        member: MEMBER.to_owned(),
        address: Address::Unix(dir.enclave_socket(ENCLAVE_ID)),
        channel: None,
    };
    let mut config = Config::new(
        listen,
        kept.origin().parse()?,
        vec![enclave],
        vec![ServicesConfig::new(Address::Unix(dir.store_socket()))],
        dir.store(),
    );
    let policy = std::fs::read(dir.policy()).context("policy.json")?;
    config.policy = Some(serde_json::from_slice(&policy).context("policy.json")?);
    config.page_dir.clone_from(&options.page_dir);
    config.limits.drain = DRAIN;
    if options.no_rate_limits {
        config.limits = config.limits.without_rates();
    }
    let clock_board = Arc::clone(&board);
    let clock = Clock::new(move || moved(SystemTime::now(), clock_board.clock_offset_ms()));
    let parts = Parts {
        clock,
        ..Parts::default()
    };
    let parts = parts.with_store(move |store| FaultyStore::new(store, board));
    let announce = |address| tracing::info!(%address, "listening");
    openkey_host_proxy::run(config, parts, life::stop(false)?, announce).await?;
    Ok(())
}

fn moved(time: SystemTime, ms: i64) -> SystemTime {
    let by = Duration::from_millis(ms.unsigned_abs());
    let moved = if ms < 0 {
        time.checked_sub(by)
    } else {
        time.checked_add(by)
    };
    moved.unwrap_or(time)
}
