//! A successor image: announced with a release manifest that the maintainers signed, consented to by
//! the operators, and rolled out one enclave after the other, each of which gets the root key by
//! hand-over.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use openkey_protocol::message::{
    Hash32, OperatorRequest, Request, Response, RootState, UpgradeStatus,
};
use openkey_verifier::release::{self, ReleaseKeys};

use super::published;
use super::supervisor::{Supervisor, enclave_api};
use crate::dir::{Dir, Kept, KeptImage};
use crate::kept::MANIFEST;
use crate::operators::Staff;
use crate::person::Site;
use crate::process::Process;
use crate::vm::{Image, Machine};

/// More than the clocks of host and enclave differ.
const MARGIN: Duration = Duration::from_millis(1500);
/// Between two looks for consents that are given by hand.
const LOOK: Duration = Duration::from_millis(500);

impl Supervisor {
    /// Rolls out a successor; `None` if told to stop meanwhile.
    pub(super) async fn upgrade(&mut self, successor: &Image) -> anyhow::Result<Option<()>> {
        let Some(machines) = self.plan.machines.clone() else {
            return Ok(Some(()));
        };
        let (old, new) = (
            machines.image.measurement.clone(),
            successor.measurement.clone(),
        );
        eprintln!(
            "upgrade: from epoch {} to epoch {}",
            machines.image.epoch, successor.epoch
        );
        let configuration = self.plan.kept.configuration()?;
        let staff = Staff::open(&self.dir.operators())?;
        let manifest = staff.sign_release(successor, configuration.hash())?;
        let path = successor.dir().join(MANIFEST);
        crate::files::write_public(&path, &manifest)?;

        let keys = configuration.release_keys().context("no release keys")?;
        let keys = ReleaseKeys::new(keys.threshold(), keys.keys().to_vec())?;
        let hash = release::signed(&manifest, &keys)?.hash();
        let play = self.play_operators;
        // Shares that are posted by hand take their time.
        if !play && self.look_until(provided).await?.is_none() {
            return Ok(None);
        }
        let (dir, kept, replicas) = (self.dir.clone(), self.plan.kept.clone(), self.plan.replicas);
        let announced = tokio::task::spawn_blocking(move || -> anyhow::Result<u64> {
            let mut from = 0;
            let sites = sites(&dir, &kept, replicas)?;
            for site in &sites {
                let announced = announce(site, &manifest, hash)?;
                from = announced.allowed_from.max(from);
                if play {
                    let staff = Staff::open(&dir.operators())?;
                    for operator in 0..usize::try_from(announced.consents_needed)? {
                        staff.consent(site, operator, &announced)?;
                    }
                }
            }
            Ok(from)
        });
        let Some(from) = self
            .drive(async {
                announced
                    .await
                    .context("the announcement broke")?
                    .context("announce")
            })
            .await?
        else {
            return Ok(None);
        };
        let wait = Duration::from_millis(from.saturating_sub(crate::time::now_ms())) + MARGIN;
        eprintln!("upgrade: announced, allowed in {} s", wait.as_secs());
        let waited = self
            .drive(async {
                tokio::time::sleep(wait).await;
                Ok(())
            })
            .await?;
        if waited.is_none() {
            return Ok(None);
        }
        if !play && self.consents(successor).await?.is_none() {
            return Ok(None);
        }

        published::policy(&self.dir, &self.plan.kept, &[old.clone(), new.clone()])?;
        published::publish(&self.dir, &self.plan.kept, &[&machines.image, successor])?;
        // The successors are to get the key by hand-over alone.
        self.play_operators = false;
        let alone = self.plan.replicas == 1;
        let order: Vec<u8> = if alone {
            vec![2, 1]
        } else {
            (1..=self.plan.replicas).collect()
        };
        let mut programs = vec![old; usize::from(self.plan.replicas)];
        for number in order {
            eprintln!(
                "upgrade: enclave e{number} becomes epoch {}",
                successor.epoch
            );
            self.fleet.stop(Process::Enclave(number)).await;
            Machine::new(&machines.rig, successor, number).save(&self.dir, Some(&path))?;
            self.start_enclave(number);
            match programs.get_mut(usize::from(number) - 1) {
                Some(program) => *program = new.clone(),
                None => programs.push(new.clone()),
            }
            self.describe(&programs)?;
            if self.wait_until_ready().await?.is_none() {
                return Ok(None);
            }
        }
        self.play_operators = play;
        if alone {
            self.fleet.stop(Process::Enclave(2)).await;
            Machine::forget(&self.dir, 2);
            programs.truncate(1);
            self.fleet.stop(Process::HostProxy(1)).await;
            self.fleet.expect(1);
            self.fleet.start(&[Process::HostProxy(1)]);
        }
        self.plan.kept.image = Some(KeptImage {
            name: successor.name(),
            successor: true,
        });
        self.dir.keep(&self.plan.kept)?;
        published::release(&self.dir, &self.plan.kept, successor)?;
        published::publish(&self.dir, &self.plan.kept, &[successor])?;
        published::policy(&self.dir, &self.plan.kept, &[new])?;
        self.describe(&programs)?;
        self.wait_until_ready().await
    }

    /// Waits until enough operators have consented by hand at every enclave; `None` if told to stop
    /// meanwhile.
    async fn consents(&mut self, successor: &Image) -> anyhow::Result<Option<()>> {
        eprintln!(
            "upgrade: the operators are not played: enclaves wait for a consent (openkey operator \
             consent --manifest {})",
            successor.dir().join(MANIFEST).display()
        );
        self.look_until(consented).await
    }

    /// Looks at the enclaves until they are as people are to make them; `None` if told to stop
    /// meanwhile.
    async fn look_until(
        &mut self,
        look: fn(&Dir, &Kept, u8) -> anyhow::Result<bool>,
    ) -> anyhow::Result<Option<()>> {
        let (dir, kept, replicas) = (self.dir.clone(), self.plan.kept.clone(), self.plan.replicas);
        self.drive(async move {
            loop {
                let (dir, kept) = (dir.clone(), kept.clone());
                let seen = tokio::task::spawn_blocking(move || look(&dir, &kept, replicas));
                // An enclave that does not answer yet is asked again.
                if seen.await.context("the look broke")?.unwrap_or(false) {
                    return Ok(());
                }
                tokio::time::sleep(LOOK).await;
            }
        })
        .await
    }
}

/// The enclaves that run.
fn sites(dir: &Dir, kept: &Kept, replicas: u8) -> anyhow::Result<Vec<Arc<Site>>> {
    let policy = std::fs::read(dir.policy())?;
    (1..=replicas)
        .map(|number| {
            Ok(Site::new(
                &enclave_api(kept, number),
                kept.origin(),
                &policy,
            )?)
        })
        .collect()
}

fn announce(site: &Site, manifest: &[u8], hash: Hash32) -> anyhow::Result<UpgradeStatus> {
    let request = Request::Operator(OperatorRequest::Announce {
        manifest: manifest.into(),
    });
    let Response::Root(root) = site.call(&request)? else {
        bail!("the enclave does not say where the root key stands");
    };
    let listed = root.upgrades.into_iter().find(|it| it.manifest == hash);
    listed.context("the enclave does not list the successor")
}

/// Whether every enclave has its root key.
fn provided(dir: &Dir, kept: &Kept, replicas: u8) -> anyhow::Result<bool> {
    for site in sites(dir, kept, replicas)? {
        match site.call(&Request::Status)? {
            Response::Status(status) if status.root.state == RootState::Ready => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}

/// Whether enough operators have consented to the newest successor at every enclave.
fn consented(dir: &Dir, kept: &Kept, replicas: u8) -> anyhow::Result<bool> {
    for site in sites(dir, kept, replicas)? {
        let Response::Status(status) = site.call(&Request::Status)? else {
            return Ok(false);
        };
        let newest = status.root.upgrades.last();
        let given = newest.is_some_and(|it| {
            u32::try_from(it.consents.len()).is_ok_and(|have| have >= it.consents_needed)
        });
        if !given {
            return Ok(false);
        }
    }
    Ok(true)
}
