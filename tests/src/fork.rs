//! Two enclaves of one deployment, each shown a copy of the store of its own: what a host with root
//! arranges.

use std::sync::Arc;

use openkey_protocol::message::{
    AccountView, Address, Approve, Assertion, Bytes, Outcome, PromptKind, Query, Read, Request,
    Response,
};
use openkey_simulator::dir::RootKind;
use openkey_simulator::person::{Person, PersonError, Proposal, Site};
use openkey_simulator::simulation::{Options, Simulation};

use crate::database::{Database, Rows};
use crate::{provisioned, simulation};

/// Two enclaves and their stores.
pub struct Fork {
    /// Both.
    pub simulation: Simulation,
    sites: [Arc<Site>; 2],
    stores: [Database; 2],
}

impl Fork {
    /// With a development root key.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[must_use]
    pub fn start() -> Self {
        Self::of(simulation(|it| it.replicas(2).fork_store()))
    }

    /// With a root key from operators, for the first, and by hand-over, for the second.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[must_use]
    pub fn with_operators() -> Self {
        let forked = |it: Options| it.replicas(2).fork_store();
        Self::of(provisioned(RootKind::Operators, forked))
    }

    fn of(simulation: Simulation) -> Self {
        let policy = std::fs::read(simulation.policy()).unwrap();
        let sites = [1, 2].map(|number| simulation.site_of(number, &policy).unwrap());
        let stores = [1, 2].map(|number| Database::of_enclave(&simulation, number));
        Self {
            simulation,
            sites,
            stores,
        }
    }

    /// A client of enclave `number`, 1 or 2. The page's origin is the same at both.
    #[must_use]
    pub fn site(&self, number: usize) -> Arc<Site> {
        Arc::clone(&self.sites[number - 1])
    }

    /// What enclave `number` is shown.
    #[must_use]
    pub const fn store(&self, number: usize) -> &Database {
        &self.stores[number - 1]
    }

    /// Somebody new at enclave `number`.
    #[must_use]
    pub fn person(&self, number: usize) -> Person {
        Person::new(self.site(number))
    }

    /// Shows an enclave what the other one is shown now.
    pub fn copy(&self, from: usize, to: usize) {
        self.store(to).restore(&self.store(from).rows());
    }

    /// What both are shown.
    #[must_use]
    pub fn rows(&self) -> [Rows; 2] {
        [self.stores[0].rows(), self.stores[1].rows()]
    }

    /// Puts both stores back.
    pub fn restore(&self, rows: &[Rows; 2]) {
        for (store, rows) in self.stores.iter().zip(rows) {
            store.restore(rows);
        }
    }

    /// Sends an approval to enclave `number`, as the host does: with no head, and looking at no answer.
    ///
    /// # Errors
    ///
    /// The enclave's refusal.
    pub fn answer(
        &self,
        number: usize,
        proposal: &Proposal,
        assertion: &Assertion,
    ) -> Result<Outcome, PersonError> {
        let request = Request::Approve(Approve {
            context: proposal.prompted.context.clone(),
            assertion: assertion.clone(),
            possession: proposal.possession.clone(),
            head: None,
            confirmed: Some(proposal.prompt.digest),
        });
        match self.site(number).call(&request)? {
            Response::Approved(approved) => Ok(approved.outcome),
            _ => Err(PersonError::Unexpected),
        }
    }

    /// An account as enclave `number` sees it, with a read token of either.
    ///
    /// # Errors
    ///
    /// The enclave's refusal.
    pub fn view(&self, number: usize, token: &Bytes) -> Result<AccountView, PersonError> {
        let request = Request::Read(Read {
            token: token.clone(),
            head: None,
            query: Query::Account,
        });
        match self.site(number).call(&request)? {
            Response::Account(view) => Ok(view),
            _ => Err(PersonError::Unexpected),
        }
    }

    /// Restarts enclave `number`: it remembers nothing.
    ///
    /// # Panics
    ///
    /// If it does not come back.
    pub fn restart(&self, number: usize) {
        let name = ["enclave", "enclave-2"][number - 1];
        let before = self.simulation.kill(name).unwrap();
        self.simulation.wait_for_another(name, before).unwrap();
    }
}

/// What an approval gave, without what differs from moment to moment: the effect in which two enclaves
/// may agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A signature by this address over this digest.
    Signature(Address, [u8; 32]),
    /// A key with this address.
    Key(Address),
    /// A read token, which decides nothing.
    Token,
    /// A change of this kind.
    Changed(PromptKind),
}

impl Effect {
    /// Of an outcome of a proposal.
    #[must_use]
    pub fn of(proposal: &Proposal, outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Signature {
                digest, address, ..
            } => Self::Signature(*address, digest.0),
            Outcome::KeyCreated(key) => Self::Key(key.address),
            Outcome::SignedIn { .. } => Self::Token,
            _ => Self::Changed(proposal.prompt.kind),
        }
    }
}

/// Who may approve and what can sign in an account: what two enclaves must agree about, once both
/// say yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    confirmed: bool,
    /// Id and hash of the public key, with the name.
    passkeys: Vec<(Vec<u8>, [u8; 32], String)>,
    /// Address, label, whether it is archived.
    keys: Vec<(Address, String, bool)>,
}

impl Authority {
    /// Of an account.
    #[must_use]
    pub fn of(view: &AccountView) -> Self {
        let passkeys = view.passkeys.iter();
        let keys = view.keys.iter();
        Self {
            confirmed: view.confirmed,
            passkeys: passkeys
                .map(|it| (it.id.0.clone(), it.public_key_sha256.0, it.name.clone()))
                .collect(),
            keys: keys
                .map(|it| (it.address, it.label.clone(), it.archived_at.is_some()))
                .collect(),
        }
    }
}
