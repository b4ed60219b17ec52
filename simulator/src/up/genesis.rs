//! The genesis of a simulated deployment: one enclave without a root key makes it, the operators get
//! their shares, and the root id goes into the measured configuration.

use std::time::Instant;

use anyhow::{Context, bail};
use openkey_protocol::message::RootState;
use serde_json::json;

use super::supervisor::{START_UP, Supervisor, enclave_api};
use crate::operators::Staff;
use crate::person::Site;
use crate::process::Process;

const PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

impl Supervisor {
    /// Makes the root key; `None` if told to stop before it is there.
    pub(super) async fn genesis(&mut self) -> anyhow::Result<Option<()>> {
        eprintln!(
            "genesis: an enclave makes the root key for three operators, two of whom suffice"
        );
        if self.files().await?.is_none() {
            return Ok(None);
        }
        self.fleet.expect(1);
        self.start_enclave(1);
        self.fleet.start(&[Process::HostProxy(1)]);
        let (dir, kept) = (self.dir.clone(), self.plan.kept.clone());
        let job = tokio::task::spawn_blocking(move || {
            let policy = std::fs::read(dir.policy())?;
            let site = Site::new(&enclave_api(&kept, 1), kept.origin(), &policy)?;
            let began = Instant::now();
            loop {
                let status = site.glance();
                if let Ok(status) = &status {
                    match status.root.state {
                        RootState::AwaitingGenesis => break,
                        other => bail!("the enclave awaits no genesis: {other:?}"),
                    }
                }
                if began.elapsed() > START_UP {
                    status.context("the enclave does not answer")?;
                }
                std::thread::sleep(PAUSE);
            }
            let staff = Staff::open(&dir.operators())?;
            let configuration = kept.configuration_json();
            anyhow::Ok(staff.genesis(&site, &configuration, &dir.genesis())?)
        });
        let made = self
            .drive(async { job.await.context("the genesis broke")?.context("genesis") })
            .await?;
        self.fleet.stop_all().await;
        let Some(root_id) = made else {
            return Ok(None);
        };
        eprintln!("genesis: root id {root_id}");
        self.plan
            .kept
            .measure("root_id", json!(root_id.to_string()));
        self.dir.keep(&self.plan.kept)?;
        Ok(Some(()))
    }
}
