//! What a running simulation says about itself.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use openkey_protocol::message::RootSource;
use serde::{Deserialize, Serialize};

use crate::dir::RootKind;

/// A running simulation, as `openkey-sim up --json` prints it: one object on one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// The page.
    pub page: String,
    /// The API's base.
    pub api: String,
    /// The TinyCloud node; absent with `--no-node`.
    pub node: Option<String>,
    /// The directory, absolute.
    pub dir: PathBuf,
    /// The simulated root certificate (PEM).
    pub root_certificate: PathBuf,
    /// A policy file that accepts exactly these enclaves.
    pub policy: PathBuf,
    /// A policy file that accepts whatever the played maintainers release; absent if the enclaves are
    /// processes, which nobody releases.
    pub release_policy: Option<PathBuf>,
    /// Where the enclaves get their root key.
    pub root: RootKind,
    /// Commitment to the root key and the operators (hex); absent with a development root key.
    pub root_id: Option<String>,
    /// The image directory that the enclaves run; absent if they are processes.
    pub image: Option<PathBuf>,
    /// The host-proxies, each with the store that its enclaves are shown: one, or with `--fork-store`
    /// one for each enclave.
    pub hosts: Vec<ReadyHost>,
    /// The enclaves: replicas of one deployment, with one root key.
    pub enclaves: Vec<ReadyEnclave>,
    /// The processes.
    pub processes: Vec<ReadyProcess>,
}

/// One host-proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadyHost {
    /// The name of its process.
    pub name: String,
    /// Where it listens.
    pub url: String,
    /// Its directory of sealed records.
    pub store: PathBuf,
    /// The routing ids of the enclaves it serves.
    pub enclaves: Vec<String>,
}

/// One enclave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadyEnclave {
    /// Its routing id.
    pub id: String,
    /// The deployment it belongs to.
    pub member: String,
    /// Its API.
    pub api: String,
    /// What it measures: register to value (hex).
    pub measurements: BTreeMap<u8, String>,
    /// Where its root key came from; absent until it said so.
    pub root_source: Option<RootSource>,
}

/// One process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadyProcess {
    /// `enclave`, `enclave-2`, …, `host-proxy`, `node`; `vsock`, `vsock-2`, … with virtual machines;
    /// `host-proxy-2`, … with forked stores.
    pub name: String,
    /// Its process id.
    pub pid: u32,
}

/// For people: an aligned table.
impl fmt::Display for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |name: &str, value: &dyn fmt::Display| writeln!(f, "  {name:<18} {value}");
        row("page", &self.page)?;
        row("API", &format_args!("{}/docs", self.page))?;
        if let Some(node) = &self.node {
            row("node", node)?;
        }
        if let Some(image) = &self.image {
            row("image", &image.display())?;
        }
        if let Some(root_id) = &self.root_id {
            row("root id", root_id)?;
        }
        for host in self.hosts.iter().filter(|_| self.hosts.len() > 1) {
            row(&host.name, &host.url)?;
            row("  store", &host.store.display())?;
        }
        for enclave in &self.enclaves {
            // The base of its API answers nothing itself: the list of enclaves does.
            let listed = enclave.api.strip_suffix(&format!("/{}", enclave.id));
            let listed = listed.unwrap_or(&enclave.api);
            row(
                &format!("enclave {}", enclave.id),
                &format_args!("listed at {listed}"),
            )?;
            if let Some(source) = enclave.root_source {
                row("  root key from", &source_name(source))?;
            }
            for (index, value) in &enclave.measurements {
                row(&format!("  PCR{index}"), value)?;
            }
        }
        for process in &self.processes {
            row(&format!("process {}", process.name), &process.pid)?;
        }
        row("directory", &self.dir.display())?;
        row("policy", &self.policy.display())?;
        if let Some(policy) = &self.release_policy {
            row("release policy", &policy.display())?;
        }
        row("root certificate", &self.root_certificate.display())?;
        row("page release", &self.dir.join("page.json").display())?;
        row("logs", &self.dir.join("logs").display())
    }
}

/// For people.
pub(super) const fn source_name(source: RootSource) -> &'static str {
    match source {
        RootSource::Development => "a file (development)",
        RootSource::HandOver => "another enclave (hand-over)",
        RootSource::Operators => "operators",
        RootSource::Kms => "KMS",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready() -> Ready {
        Ready {
            page: "http://localhost:7100".into(),
            api: "http://localhost:7100/api/v1".into(),
            node: Some("http://localhost:8000".into()),
            dir: "/d".into(),
            root_certificate: "/d/root.pem".into(),
            policy: "/d/policy.json".into(),
            release_policy: Some("/d/release-policy.json".into()),
            root: RootKind::Operators,
            root_id: Some("ef".into()),
            image: None,
            hosts: vec![ReadyHost {
                name: "host-proxy".into(),
                url: "http://localhost:7100".into(),
                store: "/d/store".into(),
                enclaves: vec!["e1".into()],
            }],
            enclaves: vec![ReadyEnclave {
                id: "e1".into(),
                member: "m1".into(),
                api: "http://localhost:7100/api/v1/enclaves/e1".into(),
                measurements: [(0, "ab".into()), (16, "cd".into())].into(),
                root_source: Some(RootSource::HandOver),
            }],
            processes: vec![ReadyProcess {
                name: "enclave".into(),
                pid: 7,
            }],
        }
    }

    #[test]
    fn the_json_has_the_promised_members() {
        let json = serde_json::to_string(&ready()).unwrap();
        assert_eq!(
            json,
            r#"{"page":"http://localhost:7100","api":"http://localhost:7100/api/v1","node":"http://localhost:8000","dir":"/d","root_certificate":"/d/root.pem","policy":"/d/policy.json","release_policy":"/d/release-policy.json","root":"operators","root_id":"ef","image":null,"hosts":[{"name":"host-proxy","url":"http://localhost:7100","store":"/d/store","enclaves":["e1"]}],"enclaves":[{"id":"e1","member":"m1","api":"http://localhost:7100/api/v1/enclaves/e1","measurements":{"0":"ab","16":"cd"},"root_source":"hand_over"}],"processes":[{"name":"enclave","pid":7}]}"#
        );
        assert_eq!(serde_json::from_str::<Ready>(&json).unwrap(), ready());
    }

    #[test]
    fn the_table_is_aligned() {
        let text = ready().to_string();
        let column = |line: &str| line.char_indices().skip(21).map(|(at, _)| at).next();
        assert!(text.lines().all(|line| column(line) == Some(21)));
        assert!(text.contains("  page               http://localhost:7100\n"));
        assert!(text.contains("    PCR16            cd\n"));
        // What is shown answers in a browser; a base of an API does not.
        assert!(text.contains("  API                http://localhost:7100/docs\n"));
        assert!(text.contains("listed at http://localhost:7100/api/v1/enclaves\n"));
        assert!(!text.contains("/api/v1\n") && !text.contains("/e1\n"));
    }
}
