//! The host's AWS credentials, for enclaves that ask KMS.
//!
//! They are worth nothing by themselves: the key's policy asks for an attestation document.

use std::{env, net::SocketAddr, time::Duration};

use openkey_protocol::message::AwsCredentials;
use tokio::{sync::Mutex, time::Instant};

use super::metadata;

/// Before they expire they are asked for anew: what is handed out holds at least this long.
const MARGIN: Duration = Duration::from_secs(300);

/// From the environment, else from the instance's metadata service.
pub(super) struct Credentials {
    metadata: SocketAddr,
    /// The newest, and until when they are handed out.
    newest: Mutex<Option<(Instant, AwsCredentials)>>,
}

impl Credentials {
    pub(super) const fn new(metadata: SocketAddr) -> Self {
        Self {
            metadata,
            newest: Mutex::const_new(None),
        }
    }

    /// Credentials that hold for some minutes. Those who ask meanwhile wait for the answer.
    pub(super) async fn get(&self) -> Result<AwsCredentials, String> {
        if let Some(credentials) = of_environment(|name| env::var(name).ok()) {
            return Ok(credentials);
        }
        let mut newest = self.newest.lock().await;
        if let Some((until, credentials)) = newest.as_ref()
            && Instant::now() < *until
        {
            return Ok(credentials.clone());
        }
        let (credentials, holds) = metadata::credentials(self.metadata).await?;
        let until = Instant::now() + holds.saturating_sub(MARGIN);
        *newest = Some((until, credentials.clone()));
        Ok(credentials)
    }
}

/// The names that AWS's own tools read.
fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Option<AwsCredentials> {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    Some(AwsCredentials {
        access_key_id: set("AWS_ACCESS_KEY_ID")?,
        secret_access_key: set("AWS_SECRET_ACCESS_KEY")?,
        session_token: set("AWS_SESSION_TOKEN"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_has_both_or_none() {
        let some = |names: &'static [&str]| {
            of_environment(move |name| names.contains(&name).then(|| name.to_lowercase()))
        };
        assert!(some(&["AWS_ACCESS_KEY_ID"]).is_none());
        let long = some(&["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]).unwrap();
        assert_eq!(long.session_token, None);
        let all = some(&[
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
        ]);
        assert_eq!(
            all.unwrap().session_token.as_deref(),
            Some("aws_session_token")
        );
    }
}
