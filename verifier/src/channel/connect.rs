//! Opening a channel.

use core::fmt;
use std::{io, sync::Arc, time::Duration};

use openkey_protocol::{
    channel::ALPN,
    transport::{Connect, Stream},
};
use rustls::{
    ClientConfig,
    client::{ResolvesClientCert, Resumption},
    pki_types::ServerName,
    version::TLS13,
};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{
    Channel, ChannelError, ChannelPolicy, Clock, Expiring, ServerVerifier, Sessions, provider,
    time_provider,
};

/// Longest time for a handshake: two round trips through a relay, and a few signatures.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Names nobody: it is not sent, and who is there is the evidence's to say.
const NOBODY: &str = "openkey.invalid";

/// Opens channels to enclaves under one policy.
#[derive(Clone)]
pub struct Connector {
    config: Arc<ClientConfig>,
    policy: ChannelPolicy,
    policy_hash: [u8; 32],
    sessions: Sessions,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}

impl Connector {
    /// A connector under this policy, which keeps its sessions to itself.
    ///
    /// # Errors
    ///
    /// [`ChannelError::Tls`] if the library refuses the configuration, which a test excludes.
    pub fn new(policy: ChannelPolicy, clock: Arc<dyn Clock>) -> Result<Self, ChannelError> {
        Self::make(policy, clock, None)
    }

    /// A connector that also presents a certificate: an enclave's, to another enclave.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn mutual(
        policy: ChannelPolicy,
        clock: Arc<dyn Clock>,
        own: Arc<dyn ResolvesClientCert>,
    ) -> Result<Self, ChannelError> {
        Self::make(policy, clock, Some(own))
    }

    fn make(
        policy: ChannelPolicy,
        clock: Arc<dyn Clock>,
        own: Option<Arc<dyn ResolvesClientCert>>,
    ) -> Result<Self, ChannelError> {
        let verifier = ServerVerifier::new(policy.clone(), Arc::clone(&clock));
        let builder =
            ClientConfig::builder_with_details(provider(), time_provider(Arc::clone(&clock)))
                .with_protocol_versions(&[&TLS13])
                .map_err(|error| ChannelError::Tls(error.to_string()))?
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match own {
            Some(own) => builder.with_client_cert_resolver(own),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.enable_sni = false;
        config.enable_early_data = false;
        config.resumption = Resumption::disabled();
        Ok(Self {
            config: Arc::new(config),
            policy_hash: policy.hash(),
            policy,
            sessions: Sessions::new(),
            clock,
        })
    }

    /// Keeps sessions here instead, where connectors of other policies may keep theirs: none sees
    /// another's.
    #[must_use]
    pub fn with_sessions(mut self, sessions: Sessions) -> Self {
        self.sessions = sessions;
        self
    }

    /// The sessions.
    #[must_use]
    pub const fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Opens a channel over a stream. `peer` names the other side for sessions only: a wrong name
    /// costs a full handshake, nothing else. The stream that comes back ends with the evidence.
    ///
    /// # Errors
    ///
    /// [`ChannelError`]: the first broken rule. Nothing of the caller's has been sent then.
    pub async fn connect(
        &self,
        peer: &str,
        stream: Stream,
    ) -> Result<(Stream, Channel), ChannelError> {
        let view = self
            .sessions
            .view(self.policy_hash, peer, Arc::clone(&self.clock));
        let mut config = ClientConfig::clone(&self.config);
        config.resumption = Resumption::store(view.clone());
        let name = ServerName::try_from(NOBODY).map_err(|e| ChannelError::Tls(e.to_string()))?;
        let handshake = TlsConnector::from(Arc::new(config)).connect(name, stream);
        let tls = timeout(HANDSHAKE, handshake)
            .await
            .map_err(|_| ChannelError::TimedOut)?
            .map_err(|error| ChannelError::of(&error))?;
        let channel = self.policy.established(tls.get_ref().1, self.clock.now())?;
        view.judged(channel.expires());
        let stream = Expiring::new(tls, channel.expires(), Arc::clone(&self.clock));
        Ok((Box::new(stream), channel))
    }
}

/// Opens one channel over a stream, without sessions.
///
/// # Errors
///
/// [`ChannelError`]: the first broken rule.
pub async fn connect(
    stream: Stream,
    policy: &ChannelPolicy,
    clock: Arc<dyn Clock>,
) -> Result<(Stream, Channel), ChannelError> {
    let connector = Connector::new(policy.clone(), clock)?;
    connector.connect("", stream).await
}

/// Makes channels over another transport's connections, for [`openkey_protocol::client::Client`].
#[derive(Debug)]
pub struct Attested<C> {
    /// Makes the connections underneath.
    pub transport: C,
    /// Makes channels of them.
    pub connector: Connector,
    /// See [`Connector::connect`].
    pub peer: String,
}

impl<C: Connect> Connect for Attested<C> {
    async fn connect(&self) -> io::Result<Stream> {
        let stream = self.transport.connect().await?;
        let opened = self.connector.connect(&self.peer, stream).await;
        let (stream, _) =
            opened.map_err(|error| io::Error::new(io::ErrorKind::PermissionDenied, error))?;
        Ok(stream)
    }
}
