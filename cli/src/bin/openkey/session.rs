//! One enclave behind a host, asked who it is before anything is given to it.

use std::time::Instant;

use openkey_attestation::{Policy, UnixMillis, Verifier};
use openkey_cli::Recipient;
use openkey_protocol::message::{OperatorRequest, Request, Response, RootStatus, Status};
use openkey_verifier::{
    client::{Client, ClientError, Host, Listed, Replied},
    command::{Accept, Progress, ask, ask_lists, ask_successors, ask_withdrawn, source},
    evidence::Fresh,
    statement::IdentityKey,
    successors::{Successors, Withdrawn},
};

use crate::{args::Target, stop::Stop};

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
    /// For a command that asks this enclave alone: its time. Errors name the enclave then, and stderr says while
    /// an answer is awaited. Where several are asked at once, [`crate::everywhere`] does both.
    alone: Option<Progress>,
}

impl Session {
    /// The enclave with this id, or the only one. All calls together end after the time of the flags; an order
    /// gets it [`Self::again`].
    pub(crate) fn open(target: &Target) -> Result<Self, Stop> {
        let progress = target.time.begin();
        let at_host = |stop: Stop| stop.at(&target.host);
        let host = Host::new(&target.host)
            .map_err(|error| at_host(error.into()))?
            .until(progress.deadline());
        let listing = || format!("the list of enclaves of {}", host.url());
        let mut listed = progress
            .during(listing, || host.enclaves())
            .map_err(|error| at_host(error.into()))?;
        let ids = listed.iter().map(|listed| listed.id.as_str());
        let ids = ids.collect::<Vec<_>>().join(", ");
        if let Some(id) = &target.enclave {
            listed.retain(|listed| listed.id == *id);
        }
        match listed.as_slice() {
            [one] => Ok(Self {
                client: host.client(one),
                name: name(&host, one),
                alone: Some(progress),
            }),
            [] => {
                let message = match &target.enclave {
                    Some(id) if !ids.is_empty() => {
                        format!("the host lists no enclave {id}; it lists {ids}")
                    }
                    _ => "the host lists no enclave".to_owned(),
                };
                Err(at_host(Stop::failed("no_enclave", message)))
            }
            _ => Err(at_host(Stop::failed(
                "which_enclave",
                format!("the host lists {ids}: choose with --enclave"),
            ))),
        }
    }

    /// An enclave of a list. All calls together end at this time.
    pub(crate) fn of(host: &Host, listed: &Listed, deadline: Instant) -> Self {
        Self {
            client: host.client(listed).until(deadline),
            name: name(host, listed),
            alone: None,
        }
    }

    /// The same enclave, with this time for all calls from now on.
    pub(crate) fn until(&self, deadline: Instant) -> Self {
        Self {
            client: self.client.clone().until(deadline),
            name: self.name.clone(),
            alone: self.alone,
        }
    }

    /// The same enclave, if it is asked alone with its whole time once more: for an order after a look.
    pub(crate) fn again(&self) -> Self {
        let alone = self.alone.map(|progress| progress.again());
        let client = self.client.clone();
        Self {
            client: match &alone {
                None => client,
                Some(progress) => client.until(progress.deadline()),
            },
            name: self.name.clone(),
            alone,
        }
    }

    /// Asks, and says so while it takes long; an error names the enclave.
    fn asking<T, E: Into<Stop>>(
        &self,
        what: &str,
        ask: impl FnOnce(&Client) -> Result<T, E>,
    ) -> Result<T, Stop> {
        match &self.alone {
            None => ask(&self.client).map_err(Into::into),
            Some(progress) => {
                let what = || format!("{what} of enclave {}", self.name);
                let asked = progress.during(what, || ask(&self.client));
                asked.map_err(|error| error.into().at(&format!("enclave {}", self.name)))
            }
        }
    }

    /// Which enclave, for people.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What was done, by the signed answer of the boot with this identity key.
    pub(crate) fn call(&self, identity: &IdentityKey, request: &Request) -> Result<Response, Stop> {
        self.asking("the answer", |client| {
            let replied = client.ask(request)?;
            let asked = replied.asked(source::now()?.0);
            Ok::<_, Stop>(replied.open(identity, &asked)?)
        })
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

    /// As [`Self::order`], for what operators do not sign: the end is told as it is. Gets the whole time once more
    /// where this enclave alone is asked.
    pub(crate) fn ask_root(
        &self,
        identity: &IdentityKey,
        request: OperatorRequest,
    ) -> Result<RootStatus, Stop> {
        match self.again().call(identity, &Request::Operator(request))? {
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
        let request = Request::Operator(request);
        let replied = self.asking("the answer", |client| client.ask(&request))?;
        let at = source::now()?.0;
        Ok(Sent { replied, at })
    }

    /// The status. Without an identity key its signature is not checked: the host could say anything.
    pub(crate) fn status(&self, identity: Option<&IdentityKey>) -> Result<Status, Stop> {
        let response = match identity {
            Some(identity) => self.call(identity, &Request::Status)?,
            None => self.asking("the status", |client| {
                client.ask(&Request::Status)?.unverified()
            })?,
        };
        match response {
            Response::Status(status) => Ok(status),
            _ => Err(ClientError::Answer("not one to this request").into()),
        }
    }

    pub(crate) fn evidence(&self, verifier: &Verifier, policy: &Policy) -> Result<Fresh, Stop> {
        self.asking("evidence", |client| ask(client, verifier, policy))
    }

    /// Fresh evidence, and the successors that wait as it names them.
    pub(crate) fn successors(
        &self,
        verifier: &Verifier,
        policy: &Policy,
    ) -> Result<(Fresh, Successors), Stop> {
        self.listing(verifier, policy, |client, fresh| {
            ask_successors(client, verifier, policy, fresh)
        })
    }

    /// Fresh evidence, the successors that wait and the withdrawn manifests as it names them.
    pub(crate) fn withdrawn(
        &self,
        verifier: &Verifier,
        policy: &Policy,
    ) -> Result<(Fresh, (Successors, Withdrawn)), Stop> {
        self.listing(verifier, policy, |client, fresh| {
            ask_withdrawn(client, verifier, policy, fresh)
        })
    }

    /// As [`Self::withdrawn`], where the status is asked only if the evidence names a list that is not empty.
    pub(crate) fn lists(
        &self,
        verifier: &Verifier,
        policy: &Policy,
    ) -> Result<(Fresh, (Successors, Withdrawn)), Stop> {
        self.listing(verifier, policy, |client, fresh| {
            ask_lists(client, verifier, policy, fresh)
        })
    }

    /// Fresh evidence, and what `ask` makes of it and of the signed status.
    fn listing<T, E: Into<Stop>>(
        &self,
        verifier: &Verifier,
        policy: &Policy,
        ask: impl FnOnce(&Client, Fresh) -> Result<T, E>,
    ) -> Result<T, Stop> {
        let fresh = self.evidence(verifier, policy)?;
        self.asking("the list of successors", |client| ask(client, fresh))
    }

    /// Evidence for somebody who is about to give this enclave a secret.
    pub(crate) fn recipient(&self, accept: Accept) -> Result<(Fresh, Recipient), Stop> {
        let verifier = Verifier::new(accept.roots);
        let fresh = self.evidence(&verifier, &accept.policy)?;
        let recipient = Recipient::of(&fresh)?;
        Ok((fresh, recipient))
    }
}

/// Which enclave of which host, for people.
fn name(host: &Host, listed: &Listed) -> String {
    format!("{} at {}", listed.id, host.url())
}
