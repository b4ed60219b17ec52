//! The origin people see in their browser.

use std::{fmt, str::FromStr};

/// A web origin (RFC 6454): scheme, host and, unless it is the scheme's own, port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    text: String,
    https: bool,
}

/// Why a text is not an origin as browsers write them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is not an origin: expected https://HOST[:PORT] or http://localhost[:PORT], \
     lower case, without path or the scheme's own port"
)]
pub struct OriginError(String);

impl Origin {
    /// The text browsers send in `Origin`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What browsers send in `Host`: the host, and the port unless it is the scheme's own.
    #[must_use]
    pub fn host(&self) -> &str {
        let scheme = if self.https { "https://" } else { "http://" };
        self.text.strip_prefix(scheme).unwrap_or(&self.text)
    }

    /// Whether pages of this origin arrive over TLS.
    #[must_use]
    pub const fn is_https(&self) -> bool {
        self.https
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || OriginError(text.to_owned());
        let (https, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => return Err(refuse()),
        };
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (rest, None),
        };
        let canonical_port = port.is_none_or(|port| {
            let own = if https { 443 } else { 80 };
            port.parse::<u16>()
                .is_ok_and(|n| n != 0 && n != own && n.to_string() == port)
        });
        let host_ok = !host.is_empty()
            && host
                .split('.')
                .all(|label| !label.is_empty() && label.bytes().all(is_label_byte));
        // passkeys need a secure context: TLS, or the machine itself
        let secure = https || host == "localhost" || host.ends_with(".localhost");
        if host_ok && canonical_port && secure {
            Ok(Self {
                text: text.to_owned(),
                https,
            })
        } else {
            Err(refuse())
        }
    }
}

const fn is_label_byte(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_taken_as_browsers_write_them() {
        for (text, host, https) in [
            ("http://localhost:7100", "localhost:7100", false),
            ("http://localhost", "localhost", false),
            ("http://app.localhost:8080", "app.localhost:8080", false),
            ("https://keys.example.org", "keys.example.org", true),
            (
                "https://keys.example.org:8443",
                "keys.example.org:8443",
                true,
            ),
        ] {
            let origin: Origin = text.parse().unwrap();
            assert_eq!((origin.host(), origin.is_https()), (host, https));
            assert_eq!(origin.to_string(), text);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "null",
            "localhost:7100",
            "http://example.org",
            "http://127.0.0.1:7100",
            "https://",
            "https://example.org/",
            "https://Example.org",
            "https://example.org:443",
            "http://localhost:80",
            "https://example.org:0443",
            "https://example.org:0",
            "https://example.org:+1",
            "https://user@example.org",
            "https://example..org",
            "https://exa mple.org",
            "ftp://example.org",
        ] {
            assert_eq!(text.parse::<Origin>(), Err(OriginError(text.to_owned())));
        }
    }
}
