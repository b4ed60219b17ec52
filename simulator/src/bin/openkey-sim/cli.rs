//! What can be said on the command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use openkey_simulator::dir::{DEFAULT_DIR, RootKind};
use openkey_simulator::load_node::What;
use openkey_simulator::up::MAX_REPLICAS;

const ABOUT: &str = "\
The whole system on this machine, in one command: a simulated enclave (its own process, a software
NSM with its own CA), the host-proxy with its database, the page, and a TinyCloud node. Nothing here protects
anything, and evidence from it never passes a default policy.";

const EXAMPLES: &str = "\
Examples:
  openkey-sim up                                  page on http://localhost:7100, state in ./.openkey
  openkey-sim up --dir two --port 0 --json        any free port (kept), one line of JSON when ready
  openkey-sim up --replicas 2 --root operators    two enclaves: the second by hand-over
  openkey-sim up --replicas 2 --fork-store        two enclaves that are shown two stores
  openkey-sim copy-store e1 e2                    e2 is shown what e1 is shown now
  openkey-sim up --dir vm --image IMAGE           the real enclave image in a virtual machine
  openkey-sim up --fault store-older=0.1 --seed 7 one store answer in ten is older, repeatably
  openkey-sim fault set nsm-slow=2s@0.5           every other NSM call takes two seconds, from now on
  openkey-sim fault clear                         no more faults
  openkey-sim status                              who is running, and whether everything answers
  openkey-sim load --accounts 1000 --seconds 20   signatures per second (needs up --rate-limit off)
  openkey-sim down                                stop it from another terminal";

const DIR_HELP: &str = "\
Where the state is kept: accounts, keys, the simulated CA, the port. Deleting it forgets everything";

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "openkey-sim", version, about = ABOUT, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start everything, say when it answers, keep it alive until Ctrl-C
    Up(Up),
    /// Stop the simulation that runs in a directory
    Down(InDir),
    /// Who is running, and whether everything answers
    Status(Status),
    /// Set, clear or show faults of a running simulation; noticed within 100 ms
    Fault(Fault),
    /// Show one enclave the records of another from now on: needs `up --fork-store`
    CopyStore(CopyStore),
    /// Sign up accounts and sign with them through host-proxy, or read acknowledgements back: needs
    /// `up --rate-limit off`
    Load(Load),
    /// Let many clients work with a TinyCloud node and say how fast it is
    LoadNode(LoadNode),
    #[command(name = "__process", hide = true)]
    Process(Process),
    #[command(name = "__sql-worker", hide = true)]
    SqlWorker,
}

/// A directory.
#[derive(Debug, Args)]
pub(crate) struct InDir {
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DIR, help = DIR_HELP)]
    pub(crate) dir: PathBuf,
}

/// Start.
#[derive(Debug, Args)]
#[command(after_long_help = UP_HELP)]
pub(crate) struct Up {
    #[command(flatten)]
    pub(crate) at: InDir,
    /// The port of page and API, kept in DIR since origins are measured; 7100 at the first start.
    /// 0 picks a free one once and keeps it
    #[arg(long, value_name = "N")]
    pub(crate) port: Option<u16>,
    /// Print one JSON object on one line instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    /// Leave a process down that dies
    #[arg(long)]
    pub(crate) no_restart: bool,
    /// Stop when standard input ends, too: for programs that start a simulation
    #[arg(long)]
    pub(crate) until_eof: bool,
    /// Run the enclave image of this directory (`openkey-image build`) in virtual machines, instead
    /// of processes. On a directory that runs another image: upgrade to this one. Kept in DIR
    #[arg(long, value_name = "IMAGE")]
    pub(crate) image: Option<PathBuf>,
    /// How many enclaves, with one root key and one store behind one host-proxy; 1 at the first start.
    /// Kept in DIR
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=i64::from(MAX_REPLICAS)))]
    pub(crate) replicas: Option<u8>,
    /// Give each enclave a host-proxy and a copy of the store of its own, as a host that keeps two
    /// histories does: to try attacks. Needs --replicas. A copy that is not there yet begins as what
    /// DIR/store holds; `copy-store` makes it anew. The page works at the first host-proxy only. Kept in
    /// DIR; `--fork-store=off` gives all enclaves the first one's store again
    #[arg(long, value_name = "on|off", num_args = 0..=1, require_equals = true, default_missing_value = "on")]
    pub(crate) fork_store: Option<Switch>,
    /// Where the first enclave gets its root key: `development`, a file (the default, not for
    /// images); `operators`, a quorum of them, played here (the default with --image); `kms`, a
    /// stand-in for AWS KMS. Further enclaves get it by hand-over. With `kms` any enclave may be the first, and
    /// several may get it there; `status` says where each has it from. Kept in DIR
    #[arg(long, value_name = "SOURCE")]
    pub(crate) root: Option<RootKind>,
    /// Do not play the operators: enclaves wait until somebody holds the genesis, posts shares and
    /// consents to a successor (`openkey operator`, with the keys in DIR/operators). Not with a
    /// development root key. Kept in DIR; `--no-operators=off` plays them again
    #[arg(long, value_name = "on|off", num_args = 0..=1, require_equals = true, default_missing_value = "on")]
    pub(crate) no_operators: Option<Switch>,
    /// Where the node listens; the page finds it at http://localhost:PORT. Without it: where it was,
    /// or port 8000, or any free one
    #[arg(long, value_name = "IP:PORT", conflicts_with = "no_node")]
    pub(crate) node_listen: Option<SocketAddr>,
    /// Start no TinyCloud node
    #[arg(long)]
    pub(crate) no_node: bool,
    /// Where the first enclave's channel (attested TLS) is reached from outside; nowhere by default
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) channel_listen: Option<SocketAddr>,
    /// A fault from the moment everything answers; may be repeated
    #[arg(long = "fault", value_name = "NAME=VALUE")]
    pub(crate) faults: Vec<String>,
    /// Which opportunities a fault takes: the same seed, the same run
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// host-proxy's rate limits per client address; `off` for load measurements
    #[arg(long, value_name = "on|off", default_value = "on")]
    pub(crate) rate_limit: Switch,
    /// How many accounts an enclave remembers, to try what happens beyond (not for images)
    #[arg(long, value_name = "N", conflicts_with = "image")]
    pub(crate) accounts: Option<usize>,
    /// Serve the page from this directory instead of the embedded one (to work on it)
    #[arg(long, value_name = "DIR")]
    pub(crate) page_dir: Option<PathBuf>,
    /// Repeat the processes' logs on standard error
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// Which lines the processes log
    #[arg(
        long,
        value_name = "FILTER",
        default_value = "info,openkey_host_proxy::http=warn"
    )]
    pub(crate) log: String,
}

const UP_HELP: &str = "\
Faults (NAME=VALUE):
  nsm-error=CHANCE         the NSM answers with an error
  nsm-slow=DELAY           the NSM takes its time; it is serial
  nsm-debug=on             documents show debug mode: PCR0 to 2 zero
  frame-slow=DELAY         a frame that the enclave sends is held back
  frame-drop=CHANCE        a frame that the enclave sends is lost
  connection-reset=CHANCE  a connection of the enclave breaks in the middle of a frame
  store-older=CHANCE       the store answers with a record's version before the newest
  store-hide=CHANCE        the store says that a record is not there
  store-swap=CHANCE        the store answers with another record
  store-error=CHANCE       the store fails, before or after it has committed
  clock-offset=OFFSET      the host's wall clock is wrong (host-proxy's, and the one the enclave
                           cross-checks; never the NSM's)
CHANCE is 0.25, 25% or always; DELAY is 250ms or 2s@0.1; OFFSET is +2h or -90s. Units: ms s m h d.

Faults of the NSM, of frames and of connections are faults of enclaves that are processes. So is the
clock of an enclave: with --image, clock-offset moves host-proxy's alone.

With --json the object has: page, api, node (null with
--no-node), dir, root_certificate, policy, release_policy,
root, root_id, image, hosts (name, url, store, enclaves: one, or with --fork-store one for each
enclave), enclaves (id, member, api, measurements, root_source) and processes (name, pid). Progress
goes to standard error.";

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}

impl Switch {
    pub(crate) const fn is_on(self) -> bool {
        matches!(self, Self::On)
    }
}

/// Look.
#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) at: InDir,
    /// Print one JSON object on one line, as `up --json` did, with the processes of this moment
    #[arg(long)]
    pub(crate) json: bool,
}

/// Faults at run time.
#[derive(Debug, Args)]
#[command(after_help = "See `openkey-sim up --help` for the faults and their values.")]
pub(crate) struct Fault {
    #[command(subcommand)]
    pub(crate) change: FaultChange,
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DIR, global = true, help = DIR_HELP)]
    pub(crate) dir: PathBuf,
}

/// What to do with faults.
#[derive(Debug, Subcommand)]
pub(crate) enum FaultChange {
    /// Set faults, beside those that are set
    Set {
        /// Which, and how strong
        #[arg(required = true, value_name = "NAME=VALUE")]
        faults: Vec<String>,
        /// Another seed; every count begins anew
        #[arg(long, value_name = "N")]
        seed: Option<u64>,
    },
    /// Clear some faults, or all
    Clear {
        /// Which; all if none is named
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
    /// Show what is set
    Show,
}

/// A store copied over another.
#[derive(Debug, Args)]
pub(crate) struct CopyStore {
    /// The enclave whose records are copied, such as e1
    pub(crate) from: String,
    /// The enclave whose records are replaced, such as e2
    pub(crate) to: String,
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DIR, help = DIR_HELP)]
    pub(crate) dir: PathBuf,
}

/// Load.
#[derive(Debug, Args)]
#[command(after_help = "\
All clients of a run have one address, and host-proxy limits the requests of an address: start the simulation
with `openkey-sim up --rate-limit off`. Without it the run ends at the first request that host-proxy refuses
(status 429).")]
pub(crate) struct Load {
    #[command(flatten)]
    pub(crate) at: InDir,
    /// Whom to ask, if not the simulation in DIR; needs --policy
    #[arg(long, value_name = "URL", requires = "policy")]
    pub(crate) url: Option<String>,
    /// The policy file to hold the enclave to, if not the simulation's
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Accounts to sign up
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) accounts: usize,
    /// Connections, each with a person at a time
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub(crate) connections: usize,
    /// How long to sign after everybody has signed up
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) seconds: u64,
    /// Write every acknowledgement to this file before it is counted (it holds the passkeys)
    #[arg(long, value_name = "FILE")]
    pub(crate) acks: Option<PathBuf>,
    /// Instead: read every line of such a file back through the public API
    #[arg(
        long,
        visible_alias = "read-back",
        value_name = "FILE",
        conflicts_with = "acks"
    )]
    pub(crate) verify: Option<PathBuf>,
    /// Print one JSON object on one line
    #[arg(long)]
    pub(crate) json: bool,
}

/// Load on a node.
#[derive(Debug, Args)]
pub(crate) struct LoadNode {
    /// Where the node listens; repeatable for several nodes of one directory
    #[arg(
        long = "url",
        value_name = "URL",
        default_value = "http://127.0.0.1:8000"
    )]
    pub(crate) urls: Vec<String>,
    /// What clients do: get, put, delegate, select, insert, or mixed
    #[arg(long, value_name = "WHAT", default_value = "mixed")]
    pub(crate) what: What,
    /// Clients at once, each with a space of its own
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub(crate) connections: usize,
    /// How long
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) seconds: u64,
    /// Each client asks every so many milliseconds, and a request counts from when it was due; otherwise as
    /// soon as it has its answer
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) pace_ms: Option<u64>,
    /// Keys that each client reads and writes
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) keys: usize,
    /// A node's process, to report its CPU; repeatable
    #[arg(long = "pid", value_name = "PID")]
    pub(crate) pids: Vec<u32>,
    /// Who the clients are: the same seed, the same people
    #[arg(long, value_name = "TEXT", default_value = "load")]
    pub(crate) seed: String,
    /// Write every acknowledgement of `mixed` to this file before it is counted, and ask a node that does not answer again
    #[arg(long, value_name = "FILE")]
    pub(crate) acks: Option<PathBuf>,
    /// Instead: read every line of such a file back
    #[arg(long, value_name = "FILE", conflicts_with = "acks")]
    pub(crate) read_back: Option<PathBuf>,
    /// Print one JSON object on one line
    #[arg(long)]
    pub(crate) json: bool,
}

/// A part of a simulation.
#[derive(Debug, Args)]
pub(crate) struct Process {
    pub(crate) name: String,
    #[arg(long)]
    pub(crate) dir: PathBuf,
    #[arg(long)]
    pub(crate) log: String,
    #[arg(long)]
    pub(crate) enclaves: u8,
    #[arg(long)]
    pub(crate) no_rate_limits: bool,
    #[arg(long)]
    pub(crate) page_dir: Option<PathBuf>,
    #[arg(long)]
    pub(crate) node_listen: Option<SocketAddr>,
    #[arg(long)]
    pub(crate) accounts: Option<usize>,
    #[arg(long)]
    pub(crate) channel_listen: Option<SocketAddr>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
