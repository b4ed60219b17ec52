//! Connections to the outside: to hosts of the measured configuration, at public addresses.
//!
//! The host could connect an enclave to anything; TLS inside the enclave finds that out. These
//! rules are for the host's own sake: an enclave that was taken over must not reach what stands
//! beside the host.

use std::net::SocketAddr;

use openkey_protocol::{message::MAX_BOOT_FILE, transport::Stream};
use serde::Deserialize;
use tokio::net::{TcpStream, lookup_host};

use super::public::is_public;
use crate::{config::ServicesConfig, services};

/// The one port.
const HTTPS: u16 = 443;
/// Addresses of one name that are tried.
const ATTEMPTS: usize = 4;

/// What of the configuration concerns egress. Enclaves read all of it, and strictly.
#[derive(Default, Deserialize)]
struct Outside {
    #[serde(default)]
    identity_providers: Vec<String>,
    kms: Option<Kms>,
}

#[derive(Deserialize)]
struct Kms {
    region: String,
}

impl Outside {
    fn allows(&self, host: &str, port: u16) -> bool {
        let kms = self.kms.as_ref().is_some_and(|kms| {
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            let region = &kms.region;
            region.bytes().all(plain) && host == format!("kms.{region}.amazonaws.com")
        });
        port == HTTPS
            && (kms
                || self
                    .identity_providers
                    .iter()
                    .any(|allowed| allowed == host))
    }
}

/// Connects, if it is allowed.
pub(super) async fn open(host: &str, port: u16, config: &ServicesConfig) -> Result<Stream, String> {
    let Some(path) = &config.files.configuration else {
        return Err("no configuration allows egress".to_owned());
    };
    let bytes = services::read(path, MAX_BOOT_FILE).await?;
    let outside: Outside = serde_json::from_slice(&bytes.unwrap_or_default())
        .map_err(|_| "the configuration cannot be read".to_owned())?;
    if !outside.allows(host, port) {
        return Err("the configuration does not name this host".to_owned());
    }
    let name = format!("{host}:{port}");
    let addresses = match config.egress_map.get(&name) {
        Some(mapped) => vec![*mapped],
        None => public_only(lookup_host(&name).await.map_err(|e| e.to_string())?)?,
    };
    let mut last = "the name has no address".to_owned();
    for address in addresses {
        // To the very address that was looked at, never to the name again.
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // TLS brings its own records together
                let _ = stream.set_nodelay(true);
                return Ok(Box::new(stream));
            }
            Err(error) => last = error.to_string(),
        }
    }
    Err(last)
}

/// The first few addresses of a name, if all of them are public: a name that leads to both sides is
/// somebody's trick.
fn public_only(found: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, String> {
    let found: Vec<SocketAddr> = found.take(ATTEMPTS).collect();
    if found.iter().all(|address| is_public(address.ip())) {
        Ok(found)
    } else {
        Err("the name leads to an address that is not public".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outside(json: &str) -> Outside {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn h5_only_hosts_of_the_configuration_are_allowed() {
        let some = outside(
            r#"{"rp_id":"x","identity_providers":["id.example.org"],
            "kms":{"region":"eu-central-1","key_arn":"x"}}"#,
        );
        assert!(some.allows("id.example.org", 443));
        assert!(some.allows("kms.eu-central-1.amazonaws.com", 443));
        for (host, port) in [
            ("id.example.org", 80),
            ("ID.example.org", 443),
            ("id.example.org.", 443),
            ("x.id.example.org", 443),
            ("id.example.org@127.0.0.1", 443),
            ("kms.us-east-1.amazonaws.com", 443),
            ("127.0.0.1", 443),
            ("[::1]", 443),
            ("", 443),
        ] {
            assert!(!some.allows(host, port), "{host}:{port}");
        }
        assert!(!outside("{}").allows("id.example.org", 443));
        let odd = outside(r#"{"kms":{"region":"x.example.org/"}}"#);
        assert!(!odd.allows("kms.x.example.org/.amazonaws.com", 443));
    }

    #[test]
    fn h5_a_name_that_leads_inside_is_refused_whole() {
        let addresses = |texts: &[&str]| {
            let addresses: Vec<SocketAddr> = texts.iter().map(|t| t.parse().unwrap()).collect();
            public_only(addresses.into_iter())
        };
        assert!(addresses(&["1.1.1.1:443", "[2600::1]:443"]).is_ok());
        assert!(addresses(&["1.1.1.1:443", "10.0.0.1:443"]).is_err());
        assert!(addresses(&["[::ffff:169.254.169.254]:443"]).is_err());
        // A name with many addresses does not make this host try them all.
        let many = addresses(&["1.1.1.1:443"; 100]).unwrap();
        assert_eq!(many.len(), ATTEMPTS);
    }
}
