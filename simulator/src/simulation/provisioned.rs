//! Where the root keys of a simulation's enclaves stand, and operators at work on them.

use std::sync::Arc;

use openkey_protocol::message::{RootStatus, Status};

use super::{Simulation, SimulationError, wait};
use crate::operators::Staff;
use crate::person::Site;

impl Simulation {
    /// The same for enclave `number`, from 1, held to this policy file.
    ///
    /// # Errors
    ///
    /// [`SimulationError::Person`], [`SimulationError::NoProcess`] if there is no such enclave.
    pub fn site_of(&self, number: u8, policy: &[u8]) -> Result<Arc<Site>, SimulationError> {
        let enclave = usize::from(number).checked_sub(1);
        let enclave = enclave.and_then(|at| self.ready.enclaves.get(at));
        let enclave = enclave.ok_or_else(|| SimulationError::NoProcess(format!("e{number}")))?;
        Ok(Site::new(&enclave.api, self.page(), policy)?)
    }

    /// The status of enclave `number`, from 1, waited for until it answers.
    ///
    /// # Errors
    ///
    /// [`SimulationError::Timeout`].
    pub fn status(&self, number: u8) -> Result<Status, SimulationError> {
        let policy = std::fs::read(self.policy())?;
        let site = self.site_of(number, &policy)?;
        wait("a status", || site.glance().ok())
    }

    /// Waits until the status of enclave `number` is as it should be.
    ///
    /// # Errors
    ///
    /// [`SimulationError::Timeout`].
    pub fn wait_for_status(
        &self,
        number: u8,
        is_it: impl Fn(&Status) -> bool,
    ) -> Result<Status, SimulationError> {
        wait("another status", || self.status(number).ok().filter(&is_it))
    }

    /// One of the played operators (from 0) posts their share to enclave `number`, after checking
    /// its evidence against this policy file.
    ///
    /// # Errors
    ///
    /// [`SimulationError::Staff`] with the reason.
    pub fn post_share(
        &self,
        number: u8,
        operator: usize,
        policy: &[u8],
    ) -> Result<RootStatus, SimulationError> {
        let staff = Staff::open(&self.dir.operators())?;
        let site = self.site_of(number, policy)?;
        Ok(staff.post_share(&site, &self.dir.genesis(), operator)?)
    }
}
