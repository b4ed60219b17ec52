//! The untrusted half as a process.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use openkey_attestation::PolicyFile;
use openkey_cli::Backup;
use openkey_host_proxy::config::{BootPaths, ChannelListen, Origin, Peer, Quota};
use openkey_host_proxy::{Clock, Config, EnclaveConfig, Parts, ServicesConfig};
use openkey_protocol::transport::Address;

use super::{MEMBER, ProcessOptions, enclave_id, life, node_url};
use crate::dir::{Dir, RootKind};
use crate::fault::{Board, FaultyStore};
use crate::kms::{Action, KeyPolicy, KmsStandIn, Statement};
use crate::vm::Machine;

/// For requests in flight when told to stop. Everything ends within two seconds of Ctrl-C.
const DRAIN: Duration = Duration::from_millis(1000);
/// Sign-up requests: more at once than an operator lets one address make, because all who try the simulator
/// have the same.
const SIGN_UP: Quota = Quota::per_hour(NonZeroU32::new(60).unwrap());

pub(super) async fn run(
    dir: &Dir,
    number: u8,
    options: &ProcessOptions,
    board: Arc<Board>,
) -> anyhow::Result<()> {
    let kept = dir.kept()?.context("config.json is missing")?;
    let own: Origin = kept.host_of(number).parse()?;
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, kept.port_of(number)));
    // All enclaves are of one kind. The place of an upgrade's second one is there before it is.
    let machines = Machine::load(dir, 1)?.is_some();
    let seats: Vec<Seat> = (1..=options.enclaves)
        .map(|number| Seat::of(dir, number, machines))
        .collect();
    // Each enclave's peers are all the others, whoever serves them.
    let served = || {
        let forked = !kept.forks.is_empty();
        seats
            .iter()
            .filter(move |seat| !forked || seat.number == number)
    };
    let policy = std::fs::read(dir.policy()).context("policy.json")?;
    // Beside its client, which is this host: it goes on where it was after a restart.
    let kms = match kept.root {
        RootKind::Kms => Some(key_service(dir, &policy).await?),
        RootKind::Development | RootKind::Operators => None,
    };
    let egress: BTreeMap<String, SocketAddr> = kms
        .iter()
        .map(|kms| (format!("{}:443", kms.identity().host()), kms.address()))
        .collect();
    let services = |seat: &Seat| {
        let mut services = seat.services(dir, &seats);
        services.egress_map.clone_from(&egress);
        services
    };
    let mut config = Config::new(
        listen,
        kept.origin().parse()?,
        served().map(Seat::enclave).collect(),
        served().map(services).collect(),
        dir.store_of(number),
    );
    config.heartbeats = served().filter_map(|seat| seat.heartbeat.clone()).collect();
    // Origins are measured, and the deployment has one: another host-proxy of it answers to its own
    // address, and serves pages of the deployment's.
    if own.as_str() != kept.origin() {
        config.hosts.push(own.host().to_owned());
    }
    let channel = options.channel.map(|listen| ChannelListen {
        enclave: None,
        listen,
    });
    config.channels = channel.into_iter().collect();
    // No policy: the page believes what its anchor's keys signed, here as in production.
    config.anchor_dir = Some(dir.path().to_owned());
    config.releases = Some(dir.releases());
    config.page_dir.clone_from(&options.page_dir);
    config.node = options
        .node
        .map(|node| node_url(node).parse())
        .transpose()?;
    config.limits.drain = DRAIN;
    config.limits.sign_up = SIGN_UP;
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

/// The stand-in for AWS KMS. Its key's policy names what the policy file for clients names: image
/// and configuration.
async fn key_service(dir: &Dir, policy: &[u8]) -> anyhow::Result<KmsStandIn> {
    let file = PolicyFile::parse(policy).context("policy.json")?;
    let sets = file.policy.measurements().unwrap_or_default();
    let actions = [Action::GenerateDataKey, Action::Decrypt];
    let statements = sets.iter().filter_map(|set| {
        let (image, configuration) = (set.get(0)?, set.get(16)?);
        Some(Statement::root_key(&actions, *image, *configuration))
    });
    let policy = KeyPolicy {
        statements: statements.collect(),
        roots: file.roots,
    };
    Ok(KmsStandIn::start(&dir.kms(), policy).await?)
}

/// Where one enclave and its host find each other.
struct Seat {
    number: u8,
    requests: Address,
    channel: Address,
    services: Address,
    relay: Address,
    heartbeat: Option<Address>,
}

impl Seat {
    fn of(dir: &Dir, number: u8, machine: bool) -> Self {
        if machine {
            return Self {
                number,
                requests: Machine::requests(dir, number),
                channel: Machine::channel(dir, number),
                services: Machine::services(dir, number),
                relay: Machine::relay(dir, number),
                heartbeat: Some(Machine::heartbeat(dir, number)),
            };
        }
        let id = enclave_id(number);
        Self {
            number,
            requests: Address::Unix(dir.enclave_socket(&id)),
            channel: Address::Unix(dir.channel_socket(&id)),
            services: Address::Unix(dir.services_socket(&id)),
            relay: Address::Unix(dir.relay_socket(&id)),
            heartbeat: None,
        }
    }

    fn enclave(&self) -> EnclaveConfig {
        EnclaveConfig {
            id: enclave_id(self.number),
            member: MEMBER.to_owned(),
            address: self.requests.clone(),
            channel: Some(self.channel.clone()),
        }
    }

    /// What the enclave finds on this host. Its peers are the others.
    fn services(&self, dir: &Dir, all: &[Self]) -> ServicesConfig {
        let mut services = ServicesConfig::new(self.services.clone());
        services.relay = Some(self.relay.clone());
        let own = dir.other_configuration(self.number);
        services.files = BootPaths {
            configuration: Some(if own.exists() {
                own
            } else {
                dir.configuration()
            }),
            descriptor: Some(dir.genesis().join(Backup::DESCRIPTOR)),
            wrapped: Some(dir.genesis().join(Backup::WRAPPED)),
            manifest: Some(dir.machine_manifest(self.number)),
        };
        let others = all.iter().filter(|other| other.number != self.number);
        services.peers = others
            .map(|other| Peer::Local(other.channel.clone()))
            .collect();
        services
    }
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
