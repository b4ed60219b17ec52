//! A successor image: announced with a release manifest that the maintainers signed, and rolled out
//! one enclave after the other, each of which gets the root key by hand-over.

use std::time::Duration;

use anyhow::Context;
use openkey_protocol::message::{OperatorRequest, Request, Response};

use super::prepare;
use super::supervisor::{Supervisor, enclave_api};
use crate::dir::KeptImage;
use crate::kept::MANIFEST;
use crate::operators::Staff;
use crate::person::Site;
use crate::process::Process;
use crate::vm::{Image, Machine};

/// More than the clocks of host and enclave differ.
const MARGIN: Duration = Duration::from_millis(1500);

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

        let (dir, kept, replicas) = (self.dir.clone(), self.plan.kept.clone(), self.plan.replicas);
        let announced = tokio::task::spawn_blocking(move || -> anyhow::Result<u64> {
            let policy = std::fs::read(dir.policy())?;
            let mut from = 0;
            for number in 1..=replicas {
                let site = Site::new(&enclave_api(&kept, number), kept.origin(), &policy)?;
                let request = Request::Operator(OperatorRequest::Announce {
                    manifest: manifest.clone().into(),
                });
                if let Response::Root(root) = site.call(&request)? {
                    from = root
                        .upgrades
                        .iter()
                        .map(|it| it.allowed_from)
                        .chain([from])
                        .max()
                        .unwrap_or(from);
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

        prepare::policy(&self.dir, &self.plan.kept, &[old.clone(), new.clone()])?;
        prepare::publish(&self.dir, &self.plan.kept, &[&machines.image, successor])?;
        // The successors are to get the key by hand-over alone.
        let play = std::mem::replace(&mut self.play_operators, false);
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
            self.fleet.stop(Process::HostProxy).await;
            self.fleet.expect(1);
            self.fleet.start(&[Process::HostProxy]);
        }
        self.plan.kept.image = Some(KeptImage {
            name: successor.name(),
            successor: true,
        });
        self.dir.keep(&self.plan.kept)?;
        prepare::release(&self.dir, &self.plan.kept, successor)?;
        prepare::publish(&self.dir, &self.plan.kept, &[successor])?;
        prepare::policy(&self.dir, &self.plan.kept, &[new])?;
        self.describe(&programs)?;
        self.wait_until_ready().await
    }
}
