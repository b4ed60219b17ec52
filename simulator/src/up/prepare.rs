//! What is in place before the first process starts.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use base64ct::{Base64, Encoding as _};
use serde_json::{Value, json};

use super::ports::{node, port};
use super::{MAX_REPLICAS, UpOptions, fork, published};
use crate::Usage;
use crate::ca::Authority;
use crate::dir::{Dir, Kept, KeptImage, RootKind};
use crate::fault::Faults;
use crate::kms::KmsStandIn;
use crate::nsm::measure::Measurement;
use crate::operators::{self, Staff};
use crate::time::now_ms;
use crate::vm::{Image, Machine, Rig};

/// How long a successor waits that is announced: nobody has to look at it here.
const UPGRADE_DELAY_SECONDS: u64 = 1;

/// What is to be run.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) kept: Kept,
    pub(super) replicas: u8,
    /// Whether somebody plays the operators.
    pub(super) play_operators: bool,
    /// Where the enclaves are virtual machines.
    pub(super) machines: Option<Machines>,
    /// Where the node listens.
    pub(super) node: Option<SocketAddr>,
}

/// Enclaves that are virtual machines.
#[derive(Clone, Debug)]
pub(super) struct Machines {
    pub(super) rig: Rig,
    /// What they run.
    pub(super) image: Image,
    /// What they are to run.
    pub(super) successor: Option<Image>,
}

/// Decides what runs, and keeps it.
pub(super) fn plan(dir: &Dir, options: &UpOptions) -> anyhow::Result<Plan> {
    let is_new = dir.kept()?.is_none();
    let (mut kept, moved) = port(dir, options.port)?;
    if let Some(before) = moved {
        eprintln!(
            "the page moves from port {before} to {}: the origin is measured, so PCR16 changes",
            kept.port
        );
    }
    if is_new {
        let root = match (options.root, &options.image) {
            (Some(root), _) => root,
            (None, Some(_)) => RootKind::Operators,
            (None, None) => RootKind::Development,
        };
        if root == RootKind::Development && options.image.is_some() {
            let text =
                "no image takes a development root key: leave --root away, or say operators or kms";
            bail!(Usage(text.to_owned()));
        }
        if root != RootKind::Development {
            let staff = Staff::open(&dir.operators())?;
            let kms = match root {
                RootKind::Kms => {
                    let kms = KmsStandIn::identity_in(&dir.kms())?;
                    Some(json!({
                        "key_arn": kms.key_arn,
                        "region": kms.region,
                        "tls_root": Base64::encode_string(&kms.tls_root),
                    }))
                }
                _ => None,
            };
            kept.provision(
                root,
                staff.operators_json(),
                staff.release_keys_json(),
                kms,
                UPGRADE_DELAY_SECONDS,
            );
        }
    } else {
        if let Some(asked) = options.root.filter(|asked| *asked != kept.root) {
            bail!(Usage(format!(
                "{} has {} for its root key: leave --root {asked} away, or choose another --dir",
                dir.path().display(),
                kept.root
            )));
        }
        if options.image.is_some() && kept.image.is_none() {
            bail!(Usage(format!(
                "the enclaves of {} are processes, and an image is no successor of theirs: choose \
                 another --dir",
                dir.path().display()
            )));
        }
    }
    if kept.root != RootKind::Development && kept.root_id().is_none() {
        // held by hand while the operators were not played
        if let Some(root_id) = operators::root_id(&dir.genesis())? {
            kept.measure("root_id", json!(root_id.to_string()));
        }
    }
    let machines = machines(dir, &mut kept, options)?;
    kept.replicas = options.replicas.unwrap_or(kept.replicas);
    if !(1..=MAX_REPLICAS).contains(&kept.replicas) {
        bail!(Usage(format!(
            "1 to {MAX_REPLICAS} enclaves can run, not {}",
            kept.replicas
        )));
    }
    if kept.replicas > 1 && kept.root == RootKind::Development {
        // each reads the same file
        eprintln!(
            "{} enclaves with the same development root key",
            kept.replicas
        );
    }
    let asked_alone = options.play_operators == Some(false);
    kept.no_operators = options
        .play_operators
        .map_or(kept.no_operators, |play| !play);
    if asked_alone && kept.root == RootKind::Development {
        bail!(Usage(
            "--no-operators is for a root key that operators provide: add --root operators, in a \
             --dir that has no simulation yet"
                .to_owned()
        ));
    }
    if machines.is_some() && options.processes.accounts.is_some() {
        bail!("--accounts is for enclaves that are processes: an image decides by its memory");
    }
    fork::plan(dir, &mut kept, options, machines.as_ref())?;
    let node = node(&mut kept, options)?;
    kept.configuration().context("config.json")?;
    dir.keep(&kept)?;
    Ok(Plan {
        node,
        replicas: kept.replicas,
        play_operators: !kept.no_operators,
        kept,
        machines,
    })
}

fn machines(dir: &Dir, kept: &mut Kept, options: &UpOptions) -> anyhow::Result<Option<Machines>> {
    let asked = match &options.image {
        Some(path) => {
            let image = Image::open(path).context(Usage("--image".to_owned()))?;
            Some(image.keep(&dir.images())?)
        }
        None => None,
    };
    let before = match &kept.image {
        Some(image) => Some(Image::open(&image.dir(dir))?),
        None => None,
    };
    let (image, successor) = match (before, asked) {
        (None, None) => return Ok(None),
        (None, Some(asked)) => (asked, None),
        (Some(before), None) => (before, None),
        (Some(before), Some(asked)) if before.measurement == asked.measurement => (before, None),
        (Some(before), Some(asked)) => (before, Some(asked)),
    };
    if dir.path().to_string_lossy().contains([',', '\n']) {
        bail!(Usage(format!(
            "{} has a comma in its path, which QEMU's options cannot hold: choose another --dir",
            dir.path().display()
        )));
    }
    let rig = Rig::find()?;
    if kept.image.is_none() {
        kept.image = Some(KeptImage {
            name: image.name(),
            successor: false,
        });
    }
    Ok(Some(Machines {
        rig,
        image,
        successor,
    }))
}

/// Makes what is missing, writes what clients read, and forgets the faults of the last run.
pub(super) fn files(dir: &Dir, plan: &Plan) -> anyhow::Result<()> {
    let authority = Authority::open(&dir.ca(), now_ms())?;
    if plan.kept.root == RootKind::Development {
        dir.root_key()?;
    }
    fork::stores(dir, plan)?;
    Faults::default()
        .write(&dir.faults())
        .context("faults.json")?;
    for number in 1..=MAX_REPLICAS {
        match &plan.machines {
            Some(machines) if number <= plan.replicas => {
                let image = plan.kept.image.as_ref();
                let manifest = image.and_then(|image| image.manifest(dir));
                Machine::new(&machines.rig, &machines.image, number)
                    .save(dir, manifest.as_deref())?;
            }
            _ => Machine::forget(dir, number),
        }
    }
    let configuration = String::from_utf8(plan.kept.configuration_json())?;
    dir.write_text(&dir.configuration(), &configuration)?;
    dir.write_text(&dir.root_certificate(), &authority.root_pem()?)?;
    dir.write_json(&dir.page_release(), &openkey_host_proxy::release_file())?;
    if let (Some(machines), Some(_)) = (&plan.machines, plan.kept.root_id()) {
        published::release(dir, &plan.kept, &machines.image)?;
    }
    let images: Vec<&Image> = plan.machines.iter().map(|it| &it.image).collect();
    published::publish(dir, &plan.kept, &images)?;
    dir.write_json(&dir.draft(), &plan.draft()?)?;
    published::policy(dir, &plan.kept, &[plan.measurement()?])
}

impl Plan {
    /// The host-proxies, by the number of the first enclave that each serves.
    pub(super) fn hosts(&self) -> impl Iterator<Item = u8> {
        let forked = !self.kept.forks.is_empty();
        1..=if forked { self.replicas } else { 1 }
    }

    /// Whether a root key must be made first.
    pub(super) fn needs_genesis(&self) -> bool {
        self.kept.root != RootKind::Development && self.kept.root_id().is_none()
    }

    /// What the enclaves are to run after an upgrade.
    pub(super) fn successor(&self) -> Option<Image> {
        self.machines.as_ref()?.successor.clone()
    }

    /// The draft of a release of what the enclaves run at first.
    fn draft(&self) -> anyhow::Result<Value> {
        Ok(match &self.machines {
            Some(machines) => machines.image.draft().clone(),
            None => operators::draft(&self.measurement()?),
        })
    }

    /// What the enclaves measure at first.
    pub(super) fn measurement(&self) -> anyhow::Result<Measurement> {
        match &self.machines {
            Some(machines) => Ok(machines.image.measurement.clone()),
            None => Measurement::of_this_program().context("cannot measure this program"),
        }
    }
}

#[cfg(test)]
mod tests {
    use openkey_attestation::{PolicyFile, Roots};

    use super::*;

    fn dir() -> (tempfile::TempDir, Dir) {
        let temporary = tempfile::tempdir().unwrap();
        let dir = Dir::create(&temporary.path().join("sim")).unwrap();
        (temporary, dir)
    }

    fn process(kept: Kept) -> Plan {
        Plan {
            kept,
            replicas: 1,
            play_operators: true,
            machines: None,
            node: None,
        }
    }

    #[test]
    fn the_policy_carries_root_and_measurements() {
        let (_temporary, dir) = dir();
        let plan = process(Kept::new(7100));
        files(&dir, &plan).unwrap();
        let measured =
            |plan: &Plan| published::measured(&plan.kept, &plan.measurement().unwrap()).unwrap();
        let first = measured(&plan);
        assert_eq!(first.keys().copied().collect::<Vec<_>>(), [0, 1, 2, 16]);
        let policy = PolicyFile::parse(&std::fs::read(dir.policy()).unwrap()).unwrap();
        assert!(policy.policy.is_for_simulator() && !policy.policy.accepts_debug());
        let sets = policy.policy.measurements().unwrap();
        let pcr16 = sets[0].get(16).unwrap().to_string();
        assert_eq!(first[&16], pcr16);
        assert_ne!(policy.roots, Roots::aws());
        // Another port is another configuration, and nothing else changes.
        let other = measured(&process(Kept::new(7101)));
        assert_ne!(other[&16], first[&16]);
        assert_eq!(other[&0], first[&0]);
    }
}
