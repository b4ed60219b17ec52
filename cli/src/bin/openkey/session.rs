//! One enclave behind a host, asked who it is before anything is given to it.

use std::time::{Duration, Instant};

use openkey_attestation::{Policy, UnixMillis, Verifier};
use openkey_cli::Recipient;
use openkey_protocol::message::{OperatorRequest, Request, Response, RootStatus, Status};
use openkey_verifier::{
    client::{Client, ClientError, Host, Listed, Replied},
    command::{Accept, ask, ask_successors, ask_withdrawn, source},
    evidence::Fresh,
    statement::IdentityKey,
    successors::{Successors, Withdrawn},
};

use crate::stop::Stop;

/// How long a command takes at most for all enclaves together: to look at them, and again to give them
/// an order.
pub(crate) const PATIENCE: Duration = Duration::from_secs(45);

/// The answer to an order that was given to whoever was there.
pub(crate) struct Sent {
    replied: Replied,
    at: u64,
}

impl Sent {
    /// The refusal, if it is one: of the boot with this identity key if that one signed it for this very
    /// order, else of nobody.
    pub(crate) fn refusal(&self, identity: Option<&IdentityKey>) -> Option<Stop> {
        let asked = self.replied.asked(self.at);
        let own = identity.map(|identity| self.replied.open(identity, &asked));
        match own {
            Some(Ok(_)) => None,
            Some(Err(error @ ClientError::Refused(_))) => Some(error.into()),
            _ => self.replied.unverified().err().map(Stop::from),
        }
    }
}

/// One enclave.
pub(crate) struct Session {
    client: Client,
    name: String,
}

impl Session {
    /// The enclave with this id, or the only one.
    pub(crate) fn open(url: &str, enclave: Option<&str>) -> Result<Self, Stop> {
        let host = Host::new(url)?;
        let mut listed = host.enclaves()?;
        if let Some(id) = enclave {
            listed.retain(|listed| listed.id == id);
        }
        match listed.as_slice() {
            [one] => Ok(Self {
                client: host.client(one),
                name: one.id.clone(),
            }),
            [] => Err(Stop::failed("no_enclave", "the host lists no such enclave")),
            many => {
                let ids: Vec<_> = many.iter().map(|listed| listed.id.as_str()).collect();
                Err(Stop::failed(
                    "which_enclave",
                    format!("the host lists {}: choose with --enclave", ids.join(", ")),
                ))
            }
        }
    }

    /// An enclave of a list. All calls together end at this time.
    pub(crate) fn of(host: &Host, listed: &Listed, deadline: Instant) -> Self {
        Self {
            client: host.client(listed).until(deadline),
            name: format!("{} at {}", listed.id, host.url()),
        }
    }

    /// The same enclave, with this time for all calls from now on.
    pub(crate) fn until(&self, deadline: Instant) -> Self {
        Self {
            client: self.client.clone().until(deadline),
            name: self.name.clone(),
        }
    }

    /// Which enclave, for people.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What was done, by the signed answer of the boot with this identity key.
    pub(crate) fn call(&self, identity: &IdentityKey, request: &Request) -> Result<Response, Stop> {
        let replied = self.client.ask(request)?;
        let asked = replied.asked(source::now()?.0);
        Ok(replied.open(identity, &asked)?)
    }

    /// What an operator asked, done; where the root key stands now. Every other end is of an order that
    /// was sent, and that enclaves take until then.
    pub(crate) fn order(
        &self,
        identity: &IdentityKey,
        request: OperatorRequest,
        until: UnixMillis,
    ) -> Result<RootStatus, Stop> {
        self.ask_root(identity, request)
            .map_err(|stop| stop.sent(Some(until)))
    }

    /// As [`Self::order`], for what operators do not sign: the end is told as it is.
    pub(crate) fn ask_root(
        &self,
        identity: &IdentityKey,
        request: OperatorRequest,
    ) -> Result<RootStatus, Stop> {
        match self.call(identity, &Request::Operator(request))? {
            Response::Root(status) => Ok(status),
            _ => Err(ClientError::Answer("not one to this request").into()),
        }
    }

    /// Gives an operator's order to whoever is there. What came of it has to be seen in evidence.
    ///
    /// # Errors
    ///
    /// No answer.
    pub(crate) fn send(&self, request: OperatorRequest) -> Result<Sent, Stop> {
        let replied = self.client.ask(&Request::Operator(request))?;
        let at = source::now()?.0;
        Ok(Sent { replied, at })
    }

    /// The status. Without an identity key its signature is not checked: the host could say anything.
    pub(crate) fn status(&self, identity: Option<&IdentityKey>) -> Result<Status, Stop> {
        let response = match identity {
            Some(identity) => self.call(identity, &Request::Status)?,
            None => self.client.ask(&Request::Status)?.unverified()?,
        };
        match response {
            Response::Status(status) => Ok(status),
            _ => Err(ClientError::Answer("not one to this request").into()),
        }
    }

    pub(crate) fn evidence(&self, verifier: &Verifier, policy: &Policy) -> Result<Fresh, Stop> {
        Ok(ask(&self.client, verifier, policy)?)
    }

    /// Fresh evidence, and the successors that wait as it names them.
    pub(crate) fn successors(
        &self,
        verifier: &Verifier,
        policy: &Policy,
    ) -> Result<(Fresh, Successors), Stop> {
        let fresh = self.evidence(verifier, policy)?;
        Ok(ask_successors(&self.client, verifier, policy, fresh)?)
    }

    /// Fresh evidence, the successors that wait and the withdrawn manifests as it names them.
    pub(crate) fn withdrawn(
        &self,
        verifier: &Verifier,
        policy: &Policy,
    ) -> Result<(Fresh, (Successors, Withdrawn)), Stop> {
        let fresh = self.evidence(verifier, policy)?;
        Ok(ask_withdrawn(&self.client, verifier, policy, fresh)?)
    }

    /// Evidence for somebody who is about to give this enclave a secret.
    pub(crate) fn recipient(&self, accept: Accept) -> Result<(Fresh, Recipient), Stop> {
        let verifier = Verifier::new(accept.roots);
        let fresh = self.evidence(&verifier, &accept.policy)?;
        let recipient = Recipient::of(&fresh)?;
        Ok((fresh, recipient))
    }
}
