//! Flags and their environment variables.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context as _, bail};
use clap::Parser;
use ipnet::IpNet;
use openkey_edge::log::LogFormat;
use openkey_host_proxy::{
    Config, EnclaveConfig,
    config::{Limits, MetricsListen, Origin, Quota},
};

use super::side::Side;

/// Carries requests between browsers and enclaves, serves the page and keeps sealed records.
///
/// The host-proxy is trusted with nothing: it can refuse service and see who asks when, but it
/// cannot sign, read a record, or make an enclave act. Put a TLS-terminating proxy in front of it
/// and name that proxy with --trusted-proxy.
#[derive(Debug, Parser)]
#[command(name = "openkey-host-proxy", version, after_help = AFTER)]
pub(crate) struct Cli {
    /// Where HTTP listens; port 0 takes a free one and logs it
    #[arg(
        long,
        env = "OPENKEY_LISTEN",
        value_name = "IP:PORT",
        default_value = "127.0.0.1:7100"
    )]
    listen: SocketAddr,

    /// Where /metrics is read (Prometheus), or off. By default 127.0.0.1:7101, or nowhere if that is taken
    #[arg(long, env = "OPENKEY_METRICS_LISTEN", value_name = "IP:PORT|off")]
    metrics_listen: Option<MetricsListen>,

    /// The origin people see in their browser, exactly as the enclaves are configured with it
    #[arg(long, env = "OPENKEY_ORIGIN", value_name = "ORIGIN")]
    origin: Origin,

    /// Another host[:port] under which this server may be asked, such as a health check's; repeatable
    #[arg(
        long = "host",
        env = "OPENKEY_HOSTS",
        value_name = "HOST",
        value_delimiter = ','
    )]
    hosts: Vec<String>,

    /// An enclave: ID[@MEMBER]=ADDRESS[,channel=ADDRESS], such as e1=vsock:16:7000 or e1=unix:/run/openkey/e1.sock; on vsock its channel is one port on; repeatable (in the variable with spaces), the page uses the first
    #[arg(
        long = "enclave",
        env = "OPENKEY_ENCLAVES",
        value_name = "ID=ADDRESS",
        value_delimiter = ' ',
        required = true
    )]
    enclaves: Vec<EnclaveConfig>,

    #[command(flatten)]
    side: Side,

    /// Directory of the sealed-record database; made if missing
    #[arg(long, env = "OPENKEY_DIR", value_name = "DIR")]
    dir: PathBuf,

    /// Policy file (JSON) in /config.json: a further condition for the page, which it can refuse by and never accept by
    #[arg(long, env = "OPENKEY_POLICY", value_name = "FILE")]
    policy: Option<PathBuf>,

    /// The signed releases of this deployment (`openkey release publish`), served at /releases.json; may not be there yet
    #[arg(long, env = "OPENKEY_RELEASES", value_name = "FILE")]
    releases: Option<PathBuf>,

    /// The origin of the node that the page may talk to, such as https://node.example.org
    #[arg(long, env = "OPENKEY_NODE", value_name = "ORIGIN")]
    node: Option<Origin>,

    /// The one proxy in front whose X-Forwarded-For counts, as address or network; without it the header is ignored
    #[arg(long, env = "OPENKEY_TRUSTED_PROXY", value_name = "IP[/BITS]", value_parser = openkey_edge::network::parse)]
    trusted_proxy: Option<IpNet>,

    /// Serve the page from this directory: the built-in code with the deployment's anchor, as `openkey release page` writes it; without it there is no anchor, and the page says that no release is known
    #[arg(long, env = "OPENKEY_PAGE_DIR", value_name = "DIR")]
    page_dir: Option<PathBuf>,

    /// Sign-up requests of one client address (a sign-up is two), and how many of them at once
    #[arg(long, env = "OPENKEY_LIMIT_SIGN_UP", value_name = "COUNT/s|m|h[:AT_ONCE]", help_heading = "Limits", default_value_t = Limits::default().sign_up)]
    limit_sign_up: Quota,

    /// Evidence requests of one client address
    #[arg(long, env = "OPENKEY_LIMIT_EVIDENCE", value_name = "COUNT/s|m|h", help_heading = "Limits", default_value_t = Limits::default().evidence)]
    limit_evidence: Quota,

    /// Other requests of one client address
    #[arg(long, env = "OPENKEY_LIMIT_REQUEST", value_name = "COUNT/s|m|h", help_heading = "Limits", default_value_t = Limits::default().request)]
    limit_request: Quota,

    /// Files of the page and documents that one client address reads
    #[arg(long, env = "OPENKEY_LIMIT_READ", value_name = "COUNT/s|m|h", help_heading = "Limits", default_value_t = Limits::default().read)]
    limit_read: Quota,

    /// Open connections
    #[arg(long, env = "OPENKEY_MAX_CONNECTIONS", value_name = "N", help_heading = "Limits", default_value_t = Limits::default().connections)]
    max_connections: usize,

    /// Open connections of one client address; behind --trusted-proxy, requests under way
    #[arg(long, env = "OPENKEY_MAX_CONNECTIONS_PER_ADDRESS", value_name = "N", help_heading = "Limits", default_value_t = Limits::default().connections_per_address)]
    max_connections_per_address: usize,

    /// New connections of one client address to a channel (--channel-listen)
    #[arg(long, env = "OPENKEY_LIMIT_CHANNEL", value_name = "COUNT/s|m|h", help_heading = "Limits", default_value_t = Limits::default().channel)]
    limit_channel: Quota,

    /// Open connections of one client address to a channel (--channel-listen)
    #[arg(long, env = "OPENKEY_MAX_CHANNELS_PER_ADDRESS", value_name = "N", help_heading = "Limits", default_value_t = Limits::default().channels_per_address)]
    max_channels_per_address: usize,

    /// KiB that one client address sends to a channel (--channel-listen)
    #[arg(long, env = "OPENKEY_LIMIT_CHANNEL_KIB", value_name = "COUNT/s|m|h", help_heading = "Limits", default_value_t = Limits::default().channel_kib)]
    limit_channel_kib: Quota,

    /// Requests of one client address at an enclave at once
    #[arg(long, env = "OPENKEY_MAX_IN_FLIGHT_PER_ADDRESS", value_name = "N", help_heading = "Limits", default_value_t = Limits::default().in_flight_per_address)]
    max_in_flight_per_address: usize,

    /// Requests that wait for their turn at an enclave; 256 more are at it at once, fewer if N is less
    #[arg(long, env = "OPENKEY_MAX_IN_FLIGHT", value_name = "N", help_heading = "Limits", default_value_t = Limits::default().in_flight)]
    max_in_flight: usize,

    /// Milliseconds for an enclave's answer
    #[arg(
        long,
        env = "OPENKEY_DEADLINE_MS",
        value_name = "MS",
        help_heading = "Limits",
        default_value_t = 10_000
    )]
    deadline_ms: u64,

    /// How log lines look: text or json
    #[arg(long, env = "OPENKEY_LOG_FORMAT", value_name = "FORMAT", default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,

    /// Which log lines: a level, or TARGET=LEVEL, separated by commas
    #[arg(
        long,
        env = "OPENKEY_LOG",
        value_name = "FILTER",
        default_value = "info"
    )]
    pub(crate) log: String,
}

const AFTER: &str = "Each flag can be given as the environment variable named with it.\n\
    Health: /healthz, /readyz. Numbers: /metrics of --metrics-listen. Description: /openapi.json, /docs.\n\
    Stop it with SIGTERM or Ctrl-C; requests in flight end first.";

/// Where metrics are read if nothing is said: by programs of this machine.
const METRICS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7101);

impl Cli {
    /// The configuration these flags describe.
    pub(crate) fn config(&self) -> anyhow::Result<Config> {
        for (index, enclave) in self.enclaves.iter().enumerate() {
            let same = |other: &EnclaveConfig| other.id == enclave.id;
            if self.enclaves.iter().skip(index + 1).any(same) {
                bail!(
                    "--enclave: two enclaves are called {}; give each its own id",
                    enclave.id
                );
            }
        }
        let policy = self.policy.as_ref().map(|path| {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("--policy: cannot read {}", path.display()))?;
            serde_json::from_str(&text)
                .with_context(|| format!("--policy: {} is not JSON", path.display()))
        });
        Ok(Config {
            metrics: self
                .metrics_listen
                .unwrap_or(MetricsListen::IfFree(METRICS)),
            heartbeats: self.side.heartbeats(),
            channels: self.side.channels(),
            hosts: self.hosts.clone(),
            policy: policy.transpose()?,
            releases: self.releases.clone(),
            node: self.node.clone(),
            trusted_proxy: self.trusted_proxy,
            page_dir: self.page_dir.clone(),
            limits: Limits {
                sign_up: self.limit_sign_up,
                evidence: self.limit_evidence,
                request: self.limit_request,
                read: self.limit_read,
                connections: self.max_connections,
                connections_per_address: self.max_connections_per_address,
                channel: self.limit_channel,
                channels_per_address: self.max_channels_per_address,
                channel_kib: self.limit_channel_kib,
                in_flight: self.max_in_flight,
                in_flight_per_address: self.max_in_flight_per_address,
                request_deadline: Duration::from_millis(self.deadline_ms),
                ..Limits::default()
            },
            ..Config::new(
                self.listen,
                self.origin.clone(),
                self.enclaves.clone(),
                self.side.services(&self.enclaves)?,
                self.dir.clone(),
            )
        })
    }
}
