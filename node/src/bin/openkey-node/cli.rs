//! Flags and their environment variables.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};
use ipnet::IpNet;
use openkey_capability::did::Did;
use openkey_edge::log::LogFormat;
use openkey_edge::metrics::MetricsListen;
use openkey_edge::rate::Quota;
use openkey_node::config::{
    AdminSecret, Config, LONGEST_INVOCATION, MAX_STAGED_BYTES, MAX_VALUE_BYTES, PUBLIC_QUOTA_BYTES,
};
use openkey_node::server::Serving;
use openkey_node::sql::{SqlLimits, WorkerProgram};

/// A TinyCloud node: keeps spaces of data for their owners, and checks at every call that the chain of
/// delegations leads back to the owner.
///
/// `openkey-node --dir DIR` is all a first start needs. Put a TLS-terminating proxy in front of it for
/// anything but a laptop, and name that proxy with --trusted-proxy.
#[derive(Debug, Parser)]
#[command(
    name = "openkey-node",
    version,
    args_conflicts_with_subcommands = false
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) action: Option<Action>,

    /// A TOML file with these settings by the names of their flags; flags and variables come before it
    #[arg(long, env = "OPENKEY_NODE_CONFIG", value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,

    /// Directory of everything that is kept; the node and `restore` make it if it is missing
    #[arg(long, env = "OPENKEY_NODE_DIR", value_name = "DIR", global = true)]
    dir: Option<PathBuf>,

    /// Where HTTP listens; port 0 takes a free one and prints it
    #[arg(
        long,
        env = "OPENKEY_NODE_LISTEN",
        value_name = "IP:PORT",
        default_value = "127.0.0.1:8000"
    )]
    listen: SocketAddr,

    /// Where /metrics is read (Prometheus), or off. By default 127.0.0.1:8001, or nowhere if that is taken
    #[arg(long, env = "OPENKEY_NODE_METRICS_LISTEN", value_name = "IP:PORT|off")]
    metrics_listen: Option<MetricsListen>,

    /// Print what is printed as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Host only spaces of this owner (a DID); repeatable; without it anybody's
    #[arg(
        long = "owner",
        env = "OPENKEY_NODE_OWNERS",
        value_name = "DID",
        value_delimiter = ','
    )]
    owners: Vec<String>,

    /// The one proxy in front whose X-Forwarded-For counts, as address or network; without it the header is ignored
    #[arg(long, env = "OPENKEY_NODE_TRUSTED_PROXY", value_name = "IP[/BITS]", value_parser = openkey_edge::network::parse)]
    trusted_proxy: Option<IpNet>,

    /// File with the secret, of 16 characters at the least, that /admin asks for as `Authorization: Bearer SECRET`;
    /// without it nobody may set quotas over HTTP
    #[arg(long, env = "OPENKEY_NODE_ADMIN_SECRET_FILE", value_name = "FILE")]
    admin_secret_file: Option<PathBuf>,

    /// Where clients ask how much they may keep; told by /info
    #[arg(long, env = "OPENKEY_NODE_QUOTA_URL", value_name = "URL")]
    quota_url: Option<String>,

    /// Most bytes of one value
    #[arg(long, env = "OPENKEY_NODE_MAX_VALUE_BYTES", value_name = "N", help_heading = "Limits", default_value_t = MAX_VALUE_BYTES)]
    max_value_bytes: u64,

    /// Most bytes of all uploads under way
    #[arg(long, env = "OPENKEY_NODE_MAX_STAGED_BYTES", value_name = "N", help_heading = "Limits", default_value_t = MAX_STAGED_BYTES)]
    max_staged_bytes: u64,

    /// Most bytes of a space's values and databases; without it any number
    #[arg(
        long,
        env = "OPENKEY_NODE_QUOTA_BYTES",
        value_name = "N",
        help_heading = "Limits"
    )]
    quota_bytes: Option<u64>,

    /// Most bytes of a public space
    #[arg(long, env = "OPENKEY_NODE_PUBLIC_QUOTA_BYTES", value_name = "N", help_heading = "Limits", default_value_t = PUBLIC_QUOTA_BYTES)]
    public_quota_bytes: u64,

    /// Free bytes of the disk below which nothing grows. By default 256 MiB, or a sixteenth of a smaller disk
    #[arg(
        long,
        env = "OPENKEY_NODE_RESERVE_BYTES",
        value_name = "N",
        help_heading = "Limits"
    )]
    reserve_bytes: Option<u64>,

    /// How far ahead the end of an invocation may lie, in seconds
    #[arg(long, env = "OPENKEY_NODE_MAX_INVOCATION_SECONDS", value_name = "S", help_heading = "Limits", default_value_t = LONGEST_INVOCATION.as_secs())]
    max_invocation_seconds: u64,

    /// Processes that carry out SQL, one statement at a time each, 1 to 1024 [default: one for each processor, 4 at
    /// the least]
    #[arg(
        long,
        env = "OPENKEY_NODE_SQL_WORKERS",
        value_name = "N",
        help_heading = "Limits",
        value_parser = clap::value_parser!(u16).range(1..=1024)
    )]
    sql_workers: Option<u16>,

    /// Requests of one client address: COUNT/s, /m or /h, with :BURST if more may come at once (60/m:10), or off
    #[arg(
        long,
        env = "OPENKEY_NODE_RATE",
        value_name = "RATE",
        help_heading = "Limits",
        default_value = "2000/s"
    )]
    rate: String,

    /// Requests of one client address that are refused for what they say or who sends them: COUNT/s, /m or
    /// /h, or off
    #[arg(
        long,
        env = "OPENKEY_NODE_FAILURE_RATE",
        value_name = "RATE",
        help_heading = "Limits",
        default_value = "500/s"
    )]
    failure_rate: String,

    /// Questions of one client address after the node's health: COUNT/s, /m or /h, or off
    #[arg(
        long,
        env = "OPENKEY_NODE_HEALTH_RATE",
        value_name = "RATE",
        help_heading = "Limits",
        default_value = "20/s"
    )]
    health_rate: String,

    /// Requests of one client address to public spaces: COUNT/s, /m or /h, or off
    #[arg(
        long,
        env = "OPENKEY_NODE_PUBLIC_RATE",
        value_name = "RATE",
        help_heading = "Limits",
        default_value = "60/m"
    )]
    public_rate: String,

    /// Memory for large heads, for bodies that are read whole and for answers made of many values, in bytes:
    /// 134217728 at the least
    #[arg(
        long,
        env = "OPENKEY_NODE_MAX_REQUEST_MEMORY_BYTES",
        value_name = "N",
        help_heading = "Limits",
        default_value_t = 256 * 1024 * 1024
    )]
    max_request_memory_bytes: usize,

    /// Open connections
    #[arg(
        long,
        env = "OPENKEY_NODE_MAX_CONNECTIONS",
        value_name = "N",
        help_heading = "Limits",
        default_value = "4096"
    )]
    max_connections: NonZeroUsize,

    /// Open connections of one client address; another 1024 wait until some of these have ended
    #[arg(
        long,
        env = "OPENKEY_NODE_MAX_CONNECTIONS_PER_ADDRESS",
        value_name = "N",
        help_heading = "Limits",
        default_value = "512"
    )]
    max_connections_per_address: NonZeroUsize,

    /// How log lines look: text or json
    #[arg(long, env = "OPENKEY_NODE_LOG_FORMAT", value_name = "FORMAT", default_value_t = LogFormat::Text, global = true)]
    pub(crate) log_format: LogFormat,

    /// Which log lines: a level, or TARGET=LEVEL, separated by commas
    #[arg(
        long,
        env = "OPENKEY_NODE_LOG",
        value_name = "FILTER",
        default_value = "info",
        global = true
    )]
    pub(crate) log: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Read everything that is kept and compare it with what is recorded, also while the node serves
    Check,
    /// Copy everything, as of now and while the node serves, into a new directory
    Backup {
        /// Where to: it must not exist, and not be inside of the node's directory
        #[arg(value_name = "BACKUP")]
        to: PathBuf,
    },
    /// Say what time the node goes by, and with --accept that the machine's clock is right
    Clock {
        /// Go by the machine's clock, whatever the node's time is; a node that serves does so within half a minute
        #[arg(long)]
        accept: bool,
    },
    /// Take what a backup holds into an empty directory, --dir, and check it there
    Restore {
        /// What `backup` made
        #[arg(value_name = "BACKUP")]
        from: PathBuf,
    },
    /// Carry out SQL for the node at the other end of standard input: nothing that people start
    #[command(name = WorkerProgram::ARGUMENT, hide = true)]
    SqlWorker,
}

/// Where metrics are read if nothing is said: by programs of this machine.
const METRICS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8001);
/// A quarter of it has room for the largest token, and a body of 1 MiB that is read as JSON.
const LEAST_MEMORY: usize = 128 * 1024 * 1024;
/// Bursts of public requests: a page with a few pictures.
const PUBLIC_BURST: u32 = 10;

impl Cli {
    pub(crate) fn dir(&self) -> anyhow::Result<PathBuf> {
        self.dir
            .clone()
            .context("name the node's directory with --dir DIR")
    }

    pub(crate) fn config(&self) -> anyhow::Result<Config> {
        let owners = self.owners.iter().map(|text| {
            Did::parse(text).map_err(|error| anyhow::anyhow!("--owner {text}: {error}"))
        });
        let owners: BTreeSet<Did> = owners.collect::<anyhow::Result<_>>()?;
        if self.max_invocation_seconds == 0 {
            bail!("--max-invocation-seconds must not be 0: no invocation would be short enough");
        }
        let admin_secret = match &self.admin_secret_file {
            None => None,
            Some(path) => {
                let shown = path.display();
                let secret = std::fs::read(path)
                    .with_context(|| format!("--admin-secret-file: cannot read {shown}"))?;
                let secret = secret.trim_ascii();
                if secret.len() < 16 {
                    bail!("--admin-secret-file: {shown} must have at least 16 characters");
                }
                Some(AdminSecret::new(secret))
            }
        };
        if let Some(url) = &self.quota_url
            && !is_web_address(url)
        {
            bail!(
                "--quota-url: expected an absolute URL such as https://example.org/quota, found {url:?}"
            );
        }
        Ok(Config {
            max_value_bytes: self.max_value_bytes,
            max_staged_bytes: self.max_staged_bytes,
            quota_bytes: self.quota_bytes,
            public_quota_bytes: Some(self.public_quota_bytes),
            reserve_bytes: self.reserve_bytes,
            longest_invocation: Duration::from_secs(self.max_invocation_seconds),
            sql_workers: self
                .sql_workers
                .map_or_else(SqlLimits::default_workers, usize::from),
            owners: (!owners.is_empty()).then_some(owners),
            quota_url: self.quota_url.clone(),
            admin_secret,
            ..Config::new(self.dir()?)
        })
    }

    pub(crate) fn serving(&self) -> anyhow::Result<Serving> {
        let mut serving = Serving::new(self.listen);
        serving.metrics = self
            .metrics_listen
            .unwrap_or(MetricsListen::IfFree(METRICS));
        serving.memory = self.max_request_memory_bytes;
        if serving.memory < LEAST_MEMORY {
            bail!(
                "--max-request-memory-bytes must be at least {LEAST_MEMORY}: one address has a quarter, which one \
                 request must fit in"
            );
        }
        serving.limits.connections = self.max_connections.get();
        serving.limits.connections_per_client = self.max_connections_per_address.get();
        serving.limits.trusted_proxy = self.trusted_proxy;
        serving.rates.all = quota("--rate", &self.rate)?;
        serving.rates.failures = quota("--failure-rate", &self.failure_rate)?;
        serving.rates.health = quota("--health-rate", &self.health_rate)?;
        serving.rates.public = quota("--public-rate", &self.public_rate)?.map(|quota| {
            quota.with_burst(
                std::num::NonZeroU32::new(PUBLIC_BURST).unwrap_or(std::num::NonZeroU32::MIN),
            )
        });
        Ok(serving)
    }
}

fn quota(flag: &str, text: &str) -> anyhow::Result<Option<Quota>> {
    match text {
        "off" => Ok(None),
        text => {
            Ok(Some(text.parse().map_err(|error| {
                anyhow::anyhow!("{flag}: {error}, or off")
            })?))
        }
    }
}

/// Whether clients find something under a URL without knowing where they have it from.
fn is_web_address(text: &str) -> bool {
    let uri = text.parse::<axum::http::Uri>();
    uri.is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some_and(|it| !it.is_empty())
    })
}
