//! One enclave behind a host, asked who it is before anything is given to it.

use openkey_attestation::{Policy, Verifier};
use openkey_cli::Recipient;
use openkey_protocol::message::{OperatorRequest, Request, Response, RootStatus, Status};
use openkey_verifier::{
    client::{Client, ClientError, Host},
    command::{Accept, ask},
    evidence::Fresh,
};

use crate::stop::Stop;

/// One enclave.
pub(crate) struct Session {
    client: Client,
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

    pub(crate) fn call(&self, request: &Request) -> Result<Response, Stop> {
        Ok(self.client.call(request)?)
    }

    /// What an operator asked, done; where the root key stands now.
    pub(crate) fn order(&self, request: OperatorRequest) -> Result<RootStatus, Stop> {
        match self.call(&Request::Operator(request))? {
            Response::Root(status) => Ok(status),
            _ => Err(ClientError::Answer("not one to this request").into()),
        }
    }

    /// Unsigned: the host could say anything.
    pub(crate) fn status(&self) -> Result<Status, Stop> {
        match self.call(&Request::Status)? {
            Response::Status(status) => Ok(status),
            _ => Err(ClientError::Answer("not one to this request").into()),
        }
    }

    pub(crate) fn evidence(&self, verifier: &Verifier, policy: &Policy) -> Result<Fresh, Stop> {
        Ok(ask(&self.client, verifier, policy)?)
    }

    /// Evidence for somebody who is about to give this enclave a secret.
    pub(crate) fn recipient(&self, accept: Accept) -> Result<Recipient, Stop> {
        let verifier = Verifier::new(accept.roots);
        let fresh = self.evidence(&verifier, &accept.policy)?;
        Ok(Recipient::of(&fresh)?)
    }
}
