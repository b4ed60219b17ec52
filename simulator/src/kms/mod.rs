//! A stand-in for AWS KMS: one key, its policy, `GenerateDataKey` and `Decrypt` for attested
//! recipients.
//!
//! It answers as AWS does: the same requests, signatures, exceptions and JSON, and for recipients
//! CMS in BER with indefinite lengths and content in chunks. It refuses what AWS refuses: a request
//! without a recipient, other PCRs than its policy names, another encryption context, a document
//! that is too old or under another root. One thing more: it takes a recipient key once only, which
//! AWS leaves to its callers.
//!
//! What it keeps lies in one directory, so that what it wrapped can be unwrapped after a restart. It
//! protects nothing: its key is a file.

mod api;
mod ber;
mod cipher;
mod document;
mod policy;
mod serve;
mod sigv4;
mod state;
mod tls;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use openkey_protocol::message::AwsCredentials;
use tokio::{net::TcpListener, task::JoinHandle};

use self::state::State;
use crate::nsm::{Clock, system_clock};

pub use api::{Refused, Rule};
pub use policy::{Action, KeyPolicy, Statement};

/// The stand-in's region: none of AWS's.
pub const REGION: &str = "eu-sim-1";
/// How old a document may be. AWS says five minutes.
pub const MAX_DOCUMENT_AGE: Duration = Duration::from_secs(5 * 60);

/// Why there is no stand-in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be used.
    #[error("the KMS stand-in in {path}: {reason}")]
    File {
        /// The file's path.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// No key or certificate could be made.
    #[error("cannot make keys for the KMS stand-in: {0}")]
    Make(String),
    /// It cannot listen.
    #[error("the KMS stand-in cannot listen: {0}")]
    Listen(#[from] std::io::Error),
}

/// What a configuration and a host need to know of a stand-in; the same for each start in a
/// directory.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The key's ARN.
    pub key_arn: String,
    /// Its region.
    pub region: String,
    /// The root certificate (DER) under which the endpoint's own stands.
    pub tls_root: Vec<u8>,
    /// What the host needs to call it.
    pub credentials: AwsCredentials,
}

impl Identity {
    /// The endpoint's name, for the host's egress map.
    #[must_use]
    pub fn host(&self) -> String {
        format!("kms.{}.amazonaws.com", self.region)
    }
}

/// What connections share.
struct Shared {
    path: PathBuf,
    state: Mutex<State>,
    policy: Mutex<KeyPolicy>,
    refused: Mutex<Vec<Rule>>,
    clock: Clock,
}

/// A running stand-in; stops when dropped.
pub struct KmsStandIn {
    shared: Arc<Shared>,
    identity: Identity,
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl Drop for KmsStandIn {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl KmsStandIn {
    /// The identity that a stand-in has in this directory, made if there is none: a configuration
    /// names it before a policy can name the configuration.
    ///
    /// # Errors
    ///
    /// [`Error::File`] or [`Error::Make`].
    pub fn identity_in(dir: &Path) -> Result<Identity, Error> {
        Ok(State::open(dir)?.identity())
    }

    /// Starts on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn start(dir: &Path, policy: KeyPolicy) -> Result<Self, Error> {
        Self::start_with(dir, policy, system_clock()).await
    }

    /// Starts with another clock than the system's.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn start_with(dir: &Path, policy: KeyPolicy, clock: Clock) -> Result<Self, Error> {
        let state = State::open(dir)?;
        let identity = state.identity();
        let acceptor = tls::acceptor(&state, &identity.host(), clock())?;
        let shared = Arc::new(Shared {
            path: State::path(dir),
            state: Mutex::new(state),
            policy: Mutex::new(policy),
            refused: Mutex::default(),
            clock,
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let server = tokio::spawn(serve::serve(listener, acceptor, Arc::clone(&shared)));
        Ok(Self {
            shared,
            identity,
            address,
            server,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its identity.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Replaces the key's policy.
    pub fn set_policy(&self, policy: KeyPolicy) {
        *lock(&self.shared.policy) = policy;
    }

    /// The rules by which requests were refused so far, in order. Callers learn less.
    #[must_use]
    pub fn refused(&self) -> Vec<Rule> {
        lock(&self.shared.refused).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change is complete in itself: a panic elsewhere leaves the value usable.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
