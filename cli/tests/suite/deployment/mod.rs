//! A deployment whose enclave is played here, and may lie.

mod played;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use openkey_attestation::{Measurements, Pcr, Policy, PolicyFile};
use openkey_cli::{ApprovedKeys, ConfigurationApproval, GenesisFile, OperatorKey, root_id};
use openkey_protocol::{
    cbor,
    message::{Genesis, GenesisTranscript, Hash32, OperatorRequest, RootDescriptor, SecretStatus},
};
use openkey_verifier::configuration::{self, Configuration};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use self::played::Enclave;
use crate::{
    enclaves::PCRS,
    harness::{Answer, Asked, Files, Live, Ran, Server, verify, verify_stdin},
};

/// What the enclave changes in a genesis before it signs it.
pub(crate) type Bend = fn(&mut GenesisTranscript, &mut RootDescriptor);
/// What the host changes in a finished genesis.
pub(crate) type Swap = fn(&mut Genesis, &Live);

pub(crate) struct Deployment {
    pub(crate) files: Files,
    pub(crate) keys: Vec<OperatorKey>,
    pub(crate) configuration: Value,
    pub(crate) live: Live,
}

/// An enclave behind a host, and every order it got.
pub(crate) struct Running {
    pub(crate) server: Server,
    pub(crate) orders: Arc<Mutex<Vec<OperatorRequest>>>,
}

/// How an enclave behaves.
#[derive(Clone, Copy)]
pub(crate) struct Play {
    pub(crate) bend: Bend,
    pub(crate) swap: Swap,
    /// Whether it is another boot once it has held a genesis.
    pub(crate) reboots: bool,
    /// Whether it lists another successor than the one announced.
    pub(crate) lists_another: bool,
    /// Whether its store hides the list of successors from it.
    pub(crate) unknown: bool,
    /// Whether the host leaves successors out of the status.
    pub(crate) hides: bool,
    /// Whether a withdrawal does not arrive, though the host says so.
    pub(crate) ignores_withdrawals: bool,
    /// Whether the host adds what was withdrawn to a status that does not have it.
    pub(crate) claims_withdrawals: bool,
    /// Whether the host shows another enclave of the same image, which knows no successors.
    pub(crate) shows_another: bool,
    /// Whether the host shows evidence of before the first order.
    pub(crate) shows_earlier: bool,
    /// Whether the enclave's answer to an order arrives with one bit changed.
    pub(crate) bends_answers: bool,
    /// Whether the answers to everything else do.
    pub(crate) bends_statuses: bool,
    /// Whether it is another boot of the same image and configuration.
    pub(crate) another_boot: bool,
    /// Whether it refuses a consent whose operator has consented before, because of a withdrawal in its memory.
    pub(crate) refuses_consents: bool,
    /// Whether its root key went to a successor before a withdrawal arrives, which it notes all the same.
    pub(crate) handed_over: bool,
    /// Whether its store reads, and takes nothing: announcements and withdrawals are in memory alone.
    pub(crate) full_store: bool,
    /// Whether its store hides the secrets from it.
    pub(crate) hides_secrets: bool,
    /// Whether a secret that was ordered is not kept, though the answer is no refusal.
    pub(crate) ignores_secrets: bool,
}

impl Default for Play {
    fn default() -> Self {
        Self {
            bend: |_, _| (),
            swap: |_, _| (),
            reboots: false,
            lists_another: false,
            unknown: false,
            hides: false,
            ignores_withdrawals: false,
            claims_withdrawals: false,
            shows_another: false,
            shows_earlier: false,
            bends_answers: false,
            bends_statuses: false,
            another_boot: false,
            refuses_consents: false,
            handed_over: false,
            full_store: false,
            hides_secrets: false,
            ignores_secrets: false,
        }
    }
}

/// The key of the played boot.
pub(crate) fn boot_key() -> OperatorKey {
    OperatorKey::from_seed("boot", [0xb0; 32].into()).unwrap()
}

pub(crate) fn share(place: usize) -> [u8; 32] {
    [u8::try_from(place + 1).unwrap() * 0x11; 32]
}

pub(crate) fn hash(configuration: &Value) -> Hash32 {
    let text = configuration.to_string();
    Configuration::from_json(text.as_bytes()).unwrap().hash()
}

impl Deployment {
    /// Two of three operators, their keys made by the command.
    pub(crate) fn new() -> Self {
        let files = Files::new();
        let mut keys = Vec::new();
        let mut entries = Vec::new();
        for name in ["ada", "ben", "cyd"] {
            let path = files.path(&format!("{name}.key"));
            let path = path.to_str().unwrap();
            let ran = verify([
                "operator", "keygen", "--name", name, "--out", path, "--json",
            ]);
            entries.push(ran.accepted().json());
            keys.push(OperatorKey::from_json(&std::fs::read(path).unwrap()).unwrap());
        }
        let configuration = json!({
            "rp_id": "localhost",
            "rp_name": "Here",
            "origins": ["http://localhost:7100"],
            "operators": { "threshold": 2, "keys": entries },
        });
        let mut live = Live::new();
        live.configuration = hash(&configuration);
        live.boot_key = Some(boot_key().public().encryption.0);
        live.root_source = None;
        let deployment = Self {
            files,
            keys,
            configuration,
            live,
        };
        deployment.write_policy();
        deployment
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.files.path(name).to_str().unwrap().to_owned()
    }

    /// `policy.json`: this image under this root; the configuration is the flag's matter.
    pub(crate) fn write_policy(&self) {
        let set = Measurements::new([(0, Pcr(PCRS[0])), (1, Pcr(PCRS[1]))]).unwrap();
        let file = PolicyFile {
            policy: Policy::one_of([set]).unwrap().simulator(true),
            roots: self.live.enclave.roots(),
        };
        self.files.write("policy.json", file.to_json().unwrap());
        self.files
            .write("configuration.json", self.configuration.to_string());
    }

    pub(crate) fn run(&self, play: Play) -> Running {
        self.run_behind(play, |_| None)
    }

    /// Behind a host that answers some requests itself.
    pub(crate) fn run_behind(
        &self,
        play: Play,
        host: impl Fn(&Asked) -> Option<Answer> + Send + Sync + 'static,
    ) -> Running {
        let orders = Arc::new(Mutex::new(Vec::new()));
        let enclave = Enclave {
            live: self.live.clone(),
            configuration: Configuration::from_json(self.configuration.to_string().as_bytes())
                .unwrap(),
            play,
            orders: Arc::clone(&orders),
            upgrades: Mutex::default(),
            withdrawn: Mutex::default(),
            secrets: Mutex::new(vec![SecretStatus {
                name: "known".into(),
                version: 3,
            }]),
            earlier: self.live.document(&[0; 32]),
        };
        let server = Server::new(move |asked| {
            host(asked).unwrap_or_else(|| match asked.path.as_str() {
                "/api/v1/enclaves" => listing(&["e1"]),
                _ => Answer::cbor(cbor::encode(&enclave.reply(&asked.body)).unwrap()),
            })
        });
        Running { server, orders }
    }

    /// The configuration, as a release manifest names it.
    pub(crate) fn named(&self) -> Value {
        json!(hash(&self.configuration).to_string())
    }

    /// Runs `openkey operator COMMAND` with host, policy and this configuration file.
    pub(crate) fn operator(&self, running: &Running, command: &str, more: &[&str]) -> Ran {
        self.operator_stdin(running, command, more, b"")
    }

    pub(crate) fn operator_stdin(
        &self,
        running: &Running,
        command: &str,
        more: &[&str],
        stdin: &[u8],
    ) -> Ran {
        verify_stdin(self.args(running, command, more), stdin)
    }

    /// What [`Self::operator`] runs.
    pub(crate) fn args(&self, running: &Running, command: &str, more: &[&str]) -> Vec<String> {
        let policy = self.path("policy.json");
        let configuration = self.path("configuration.json");
        let args = [
            "operator",
            command,
            "--host",
            &running.server.url,
            "--policy",
            &policy,
            "--configuration",
            &configuration,
        ];
        let args = args.iter().chain(more).map(|it| (*it).to_owned());
        args.chain(self.approval(command, more)).collect()
    }

    /// The approval of whoever's key a command names, signed as if they had decided on this configuration.
    fn approval(&self, command: &str, more: &[&str]) -> Vec<String> {
        let key = more.iter().skip_while(|arg| **arg != "--key").nth(1);
        let needed = ["post-share", "set-secret", "consent", "withdraw"].contains(&command);
        let given = more.contains(&"--approval");
        match key {
            Some(key) if needed && !given => {
                let key = OperatorKey::from_json(&std::fs::read(key).unwrap()).unwrap();
                // What the file says, whatever an enclave runs with.
                let file = std::fs::read(self.files.path("configuration.json")).unwrap();
                let file = self.approve(&key, &serde_json::from_slice(&file).unwrap());
                vec!["--approval".into(), file]
            }
            _ => Vec::new(),
        }
    }

    /// Writes a key's approval of a configuration, whatever it is; gives its file.
    pub(crate) fn approve(&self, key: &OperatorKey, configuration: &Value) -> String {
        let configuration = configuration.to_string();
        let configuration = Configuration::from_json(configuration.as_bytes()).unwrap();
        let genesis = &self.genesis_files()["genesis.json"];
        let genesis = GenesisFile::read(genesis).unwrap();
        let content = ConfigurationApproval {
            root_id: configuration.root_id.unwrap_or(Hash32([0; 32])),
            genesis: Hash32(Sha256::digest(genesis.transcript.body.as_slice()).into()),
            configuration: configuration.hash(),
            release_keys: configuration.release_keys.map(|keys| ApprovedKeys {
                threshold: keys.threshold,
                keys: keys.keys,
            }),
        };
        let signed = key.sign(&content).unwrap();
        let text = json!({ "version": 1, "approval": {
            "body": hex::encode(&signed.body), "signature": hex::encode(&signed.signature),
        }});
        self.files
            .write("approval-of-a-test.json", text.to_string())
    }

    /// Holds the genesis and boots with its root id; `g` holds its files.
    pub(crate) fn provisioned() -> Self {
        Self::new().provision()
    }

    /// The same with a KMS key that wraps the root key.
    pub(crate) fn provisioned_with_kms() -> Self {
        let mut deployment = Self::new();
        deployment.configuration["kms"] = json!({
            "key_arn": "arn:aws:kms:eu-central-1:123456789012:key/ours",
            "region": "eu-central-1",
        });
        deployment.live.configuration = hash(&deployment.configuration);
        deployment.write_policy();
        deployment.provision()
    }

    fn provision(self) -> Self {
        let mut deployment = self;
        let running = deployment.run(Play::default());
        let out = deployment.path("g");
        let ada = deployment.path("ada.key");
        deployment
            .operator(&running, "genesis", &["--out", &out, "--key", &ada])
            .accepted();
        let production = std::fs::read(deployment.files.path("g").join("configuration.json"));
        deployment.configuration = serde_json::from_slice(&production.unwrap()).unwrap();
        let root_id = deployment.configuration["root_id"].as_str().unwrap();
        deployment.live.root_id = Some(root_id.parse().unwrap());
        deployment.live.configuration = hash(&deployment.configuration);
        deployment.write_policy();
        deployment
    }

    pub(crate) fn root_id(&self) -> String {
        self.configuration["root_id"].as_str().unwrap().to_owned()
    }

    /// `genesis.json` after the enclave has changed it and signed it again.
    pub(crate) fn bent_genesis(&self, bend: Bend) -> Genesis {
        let genesis = GenesisFile::read(&self.genesis_files()["genesis.json"]).unwrap();
        let mut transcript = genesis.transcript.unverified().unwrap();
        let mut descriptor = cbor::decode(transcript.descriptor.as_slice()).unwrap();
        bend(&mut transcript, &mut descriptor);
        let bytes = cbor::encode(&descriptor).unwrap();
        transcript.root_id = root_id(&bytes);
        transcript.descriptor = bytes.into();
        let signed = self.live.sign(&transcript);
        let over = Sha256::digest(signed.body.as_slice());
        Genesis {
            document: self.live.document(&over).into(),
            transcript: signed,
        }
    }

    /// The files of the genesis by name.
    pub(crate) fn genesis_files(&self) -> BTreeMap<String, Vec<u8>> {
        std::fs::read_dir(self.files.path("g"))
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let name = entry.file_name().into_string().unwrap();
                (name, std::fs::read(entry.path()).unwrap())
            })
            .collect()
    }
}

/// A host's list of enclaves.
pub(crate) fn listing(ids: &[&str]) -> Answer {
    let enclaves: Vec<_> = ids
        .iter()
        .map(|id| json!({ "id": id, "member": "m1", "ready": true }))
        .collect();
    Answer::json(&json!({ "enclaves": enclaves }))
}

/// What register 16 of a configuration holds, as hex.
pub(crate) fn pcr(configuration: &Value) -> String {
    configuration::pcr(hash(configuration)).to_string()
}
