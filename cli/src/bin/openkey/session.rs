//! One enclave behind a host, asked who it is before anything is given to it.

use openkey_attestation::{Policy, Verifier};
use openkey_cli::Recipient;
use openkey_protocol::message::{OperatorRequest, Request, Response, RootStatus, Status};
use openkey_verifier::{
    client::{Client, ClientError, Host},
    command::{Accept, ask, ask_successors, ask_withdrawn, source},
    evidence::Fresh,
    statement::IdentityKey,
    successors::{Successors, Withdrawn},
};

use crate::stop::Stop;

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

    /// Every enclave that these hosts list, or those with these ids, each of which must be there.
    pub(crate) fn all(urls: &[String], enclaves: &[String]) -> Result<Vec<Self>, Stop> {
        let mut found = Vec::new();
        let mut ids = Vec::new();
        for url in urls {
            let host = Host::new(url)?;
            for listed in host.enclaves()? {
                if enclaves.is_empty() || enclaves.contains(&listed.id) {
                    found.push(Self {
                        client: host.client(&listed),
                        name: format!("{} at {}", listed.id, host.url()),
                    });
                }
                ids.push(listed.id);
            }
        }
        let missing = enclaves.iter().find(|id| !ids.contains(id));
        match missing {
            Some(id) => Err(Stop::failed(
                "no_enclave",
                format!("no host lists an enclave {id}"),
            )),
            None if found.is_empty() => Err(Stop::failed("no_enclave", "no host lists an enclave")),
            None => Ok(found),
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

    /// What an operator asked, done; where the root key stands now.
    pub(crate) fn order(
        &self,
        identity: &IdentityKey,
        request: OperatorRequest,
    ) -> Result<RootStatus, Stop> {
        match self.call(identity, &Request::Operator(request))? {
            Response::Root(status) => Ok(status),
            _ => Err(ClientError::Answer("not one to this request").into()),
        }
    }

    /// Gives an operator's order to whoever is there. Nobody's signature is checked: what came of it
    /// has to be seen in evidence.
    pub(crate) fn send(&self, request: OperatorRequest) -> Result<(), Stop> {
        let replied = self.client.ask(&Request::Operator(request))?;
        Ok(replied.unverified().map(drop)?)
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
    pub(crate) fn recipient(&self, accept: Accept) -> Result<(IdentityKey, Recipient), Stop> {
        let verifier = Verifier::new(accept.roots);
        let fresh = self.evidence(&verifier, &accept.policy)?;
        Ok((*fresh.identity(), Recipient::of(&fresh)?))
    }
}
