//! KMS as one of the sources of the root key.

use std::sync::Arc;

use openkey_protocol::{
    cbor,
    host::HostClient,
    message::{AwsCredentials, RootSource, WrappedRoot},
};

use super::{Attester, Boxed, Credentials, Kms, KmsError, RECIPIENT_DOCUMENT};
use crate::{
    nsm::NsmError,
    platform::Platform,
    root::{
        Descriptor, DescriptorError, RootKey, RootKeySource, SourceError, egress::Egress,
        source::Obtaining,
    },
};

impl Attester for Platform {
    fn attest_recipient(&self, public_key: Vec<u8>) -> Boxed<'_, Result<Vec<u8>, NsmError>> {
        Box::pin(self.attest(None, public_key, RECIPIENT_DOCUMENT.to_vec()))
    }

    fn now_ms(&self) -> u64 {
        self.now()
    }
}

impl Credentials for HostClient {
    fn credentials(&self) -> Boxed<'_, Option<AwsCredentials>> {
        // Why there are none is in the host's words, which are for its own log.
        Box::pin(async { Self::credentials(self).await.ok() })
    }
}

/// The source of enclaves whose configuration names a KMS key.
pub struct KmsSource {
    egress: Egress,
    credentials: Arc<dyn Credentials>,
}

impl core::fmt::Debug for KmsSource {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("KmsSource(..)")
    }
}

impl KmsSource {
    /// Over this way out, with these credentials.
    #[must_use]
    pub fn new(egress: Egress, credentials: Arc<dyn Credentials>) -> Self {
        Self {
            egress,
            credentials,
        }
    }

    fn kms<'a>(&'a self, platform: &'a Platform) -> Result<Kms<'a>, KmsError> {
        Ok(Kms {
            key: platform.configuration().kms().ok_or(KmsError::NoKey)?,
            egress: &self.egress,
            credentials: &*self.credentials,
            attester: platform,
        })
    }

    async fn unwrap(&self, platform: &Platform) -> Result<RootKey, KmsError> {
        let kms = self.kms(platform)?;
        let configuration = platform.configuration();
        let expected = configuration.root_id().ok_or(DescriptorError::Missing)?;
        let files = platform.files();
        let descriptor = files.descriptor.as_ref().map(|bytes| bytes.as_slice());
        let descriptor = Descriptor::read(descriptor, &expected, configuration, platform.epoch())?;
        let wrapped = files.wrapped.as_ref().ok_or(KmsError::NoWrapped)?;
        let wrapped: WrappedRoot =
            cbor::decode(wrapped.as_slice()).map_err(|_| KmsError::MalformedWrapped)?;
        kms.unwrap(&wrapped, descriptor.content(), &descriptor.id())
            .await
    }
}

fn explained(error: KmsError) -> SourceError {
    SourceError::new(format!("{error}."))
}

impl RootKeySource for KmsSource {
    fn source(&self) -> RootSource {
        RootSource::Kms
    }

    fn obtain<'a>(&'a self, platform: &'a Platform) -> Obtaining<'a, RootKey> {
        Box::pin(async move { self.unwrap(platform).await.map_err(explained) })
    }

    fn wrap<'a>(
        &'a self,
        platform: &'a Platform,
        root: &'a RootKey,
        descriptor: &'a Descriptor,
    ) -> Obtaining<'a, Option<WrappedRoot>> {
        Box::pin(async move {
            let kms = match self.kms(platform) {
                Ok(kms) => kms,
                Err(KmsError::NoKey) => return Ok(None),
                Err(error) => return Err(explained(error)),
            };
            let nonce = platform.entropy.array();
            let wrapped = kms
                .wrap(root, descriptor.content(), &descriptor.id(), nonce)
                .await;
            wrapped.map(Some).map_err(explained)
        })
    }
}
