//! What a simulation keeps from start to start: its port, the measured configuration, and how it was
//! started.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use openkey_enclave::{Configuration, ConfigurationError};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::dir::Dir;

/// Passkeys belong to this relying party.
const RP_ID: &str = "localhost";
const RP_NAME: &str = "OpenKey simulator";
/// The signed release manifest in an image's directory.
pub(crate) const MANIFEST: &str = "manifest.json";

/// Where the enclaves of a simulation get their root key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RootKind {
    /// From a file. Enclaves that are processes only: no image has such a source.
    #[default]
    Development,
    /// From each other, or from a quorum of operators, whom the simulator plays.
    Operators,
    /// From each other, or from a stand-in for AWS KMS.
    Kms,
}

impl RootKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Development, Self::Operators, Self::Kms];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Operators => "operators",
            Self::Kms => "kms",
        }
    }

    /// The sources in the order of the measured configuration.
    const fn sources(self) -> &'static [&'static str] {
        match self {
            Self::Development => &[],
            Self::Operators => &["hand_over", "operators"],
            Self::Kms => &["hand_over", "kms"],
        }
    }
}

impl fmt::Display for RootKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for RootKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == text);
        found.ok_or_else(|| "expected development, operators or kms".to_owned())
    }
}

/// An image that a simulation runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptImage {
    /// The simulation's own copy, under `images/`.
    pub name: String,
    /// Whether it came by an upgrade: a release manifest beside it names it as a successor.
    #[serde(default)]
    pub successor: bool,
}

impl KeptImage {
    /// Where it is.
    #[must_use]
    pub fn dir(&self, dir: &Dir) -> PathBuf {
        dir.images().join(&self.name)
    }

    /// The release manifest that names it as a successor.
    #[must_use]
    pub fn manifest(&self, dir: &Dir) -> Option<PathBuf> {
        self.successor.then(|| self.dir(dir).join(MANIFEST))
    }
}

/// `config.json`: what stays the same from start to start, because it is measured or because the next
/// start goes on as this one began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    version: u32,
    /// Where the page and the API are.
    pub port: u16,
    rp_id: String,
    rp_name: String,
    origin: String,
    /// Where the root key comes from.
    #[serde(default, skip_serializing_if = "is_development")]
    pub root: RootKind,
    /// The members of the measured configuration beside the page's: operators, release keys, KMS,
    /// root id.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    measured: Map<String, Value>,
    /// The image that the enclaves run; absent if they are processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<KeptImage>,
    /// Where the node listens. It is not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<u16>,
    /// Where the host-proxies of the second enclave and of those after it listen, if each enclave has
    /// a store of its own; empty if they share one. It is not measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forks: Vec<u16>,
    /// How many enclaves there are. It is not measured.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub replicas: u8,
    /// Whether nobody plays the operators. It is not measured.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_operators: bool,
}

const fn one() -> u8 {
    1
}

const fn is_one(count: &u8) -> bool {
    *count == 1
}

fn is_development(root: &RootKind) -> bool {
    *root == RootKind::Development
}

impl Kept {
    const VERSION: u32 = 1;

    /// What a simulation on this port keeps.
    #[must_use]
    pub fn new(port: u16) -> Self {
        Self {
            version: Self::VERSION,
            port,
            rp_id: RP_ID.to_owned(),
            rp_name: RP_NAME.to_owned(),
            origin: origin(port),
            root: RootKind::Development,
            measured: Map::new(),
            image: None,
            node: None,
            forks: Vec::new(),
            replicas: one(),
            no_operators: false,
        }
    }

    /// The same on another port.
    #[must_use]
    pub fn at(mut self, port: u16) -> Self {
        if self.port != port {
            self.port = port;
            self.origin = origin(port);
        }
        self
    }

    /// The page's origin.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The port of the host-proxy through which enclave `number` (from 1) is reached.
    #[must_use]
    pub fn port_of(&self, number: u8) -> u16 {
        let fork = usize::from(number).checked_sub(2);
        let fork = fork.and_then(|at| self.forks.get(at));
        fork.copied().unwrap_or(self.port)
    }

    /// The URL of the host-proxy through which enclave `number` (from 1) is reached.
    #[must_use]
    pub fn host_of(&self, number: u8) -> String {
        origin(self.port_of(number))
    }

    /// Why the file is of another version, if it is.
    pub(crate) fn unknown_version(&self) -> Option<String> {
        let version = self.version;
        (version != Self::VERSION).then(|| format!("version {version} is not known"))
    }

    /// Names what a deployment with a provisioned root key measures beside its page.
    pub(crate) fn provision(
        &mut self,
        root: RootKind,
        operators: Value,
        release_keys: Value,
        kms: Option<Value>,
        upgrade_delay_seconds: u64,
    ) {
        self.root = root;
        self.measure("operators", operators);
        self.measure("release_keys", release_keys);
        if let Some(kms) = kms {
            self.measure("kms", kms);
        }
        self.measure("root_sources", json!(root.sources()));
        self.measure("upgrade_delay_seconds", json!(upgrade_delay_seconds));
    }

    /// Sets a member of the measured configuration.
    pub fn measure(&mut self, name: &str, value: Value) {
        self.measured.insert(name.to_owned(), value);
    }

    /// A member of the measured configuration beside the page's.
    #[must_use]
    pub fn measured(&self, name: &str) -> Option<&Value> {
        self.measured.get(name)
    }

    /// The root id (hex), after the genesis.
    #[must_use]
    pub fn root_id(&self) -> Option<&str> {
        self.measured("root_id").and_then(Value::as_str)
    }

    /// The measured configuration, as enclaves read it (JSON).
    #[must_use]
    pub fn configuration_json(&self) -> Vec<u8> {
        let mut all = self.measured.clone();
        all.insert("rp_id".to_owned(), json!(self.rp_id));
        all.insert("rp_name".to_owned(), json!(self.rp_name));
        all.insert("origins".to_owned(), json!([self.origin]));
        Value::Object(all).to_string().into_bytes()
    }

    /// The enclaves' configuration.
    ///
    /// # Errors
    ///
    /// [`ConfigurationError`] if the file was edited into something else.
    pub fn configuration(&self) -> Result<Configuration, ConfigurationError> {
        Configuration::from_json(&self.configuration_json())
    }
}

/// A browser leaves a scheme's own port away.
fn origin(port: u16) -> String {
    if port == 80 {
        "http://localhost".to_owned()
    } else {
        format!("http://localhost:{port}")
    }
}
