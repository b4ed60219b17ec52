//! Which URLs a client calls.

use ureq::http::Uri;

use super::ClientError;

/// `https://host[:port][/path]`, or `http` on this machine, without a slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BaseUrl {
    text: String,
    https: bool,
}

impl BaseUrl {
    pub(super) fn parse(text: &str) -> Result<Self, ClientError> {
        let uri: Uri = text
            .parse()
            .map_err(|_| ClientError::Url("give https://HOST or http://localhost:PORT"))?;
        let authority = uri
            .authority()
            .ok_or(ClientError::Url(
                "it has no host: give https://HOST or http://localhost:PORT",
            ))?
            .as_str();
        if authority.contains('@') {
            return Err(ClientError::Url("it carries a user name: leave that out"));
        }
        check_port(authority)?;
        if uri.query().is_some() || text.contains('#') {
            return Err(ClientError::Url(
                "it carries a query or a fragment: leave that out",
            ));
        }
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if is_this_machine(uri.host().unwrap_or_default()) => false,
            Some("http") => {
                return Err(ClientError::Url(
                    "plain http is for localhost only: use https",
                ));
            }
            _ => {
                return Err(ClientError::Url(
                    "its scheme is neither https nor, for localhost, http: give https://HOST",
                ));
            }
        };
        Ok(Self {
            text: text.trim_end_matches('/').to_owned(),
            https,
        })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) const fn is_https(&self) -> bool {
        self.https
    }

    /// The URL of `path` below this one.
    pub(super) fn join(&self, path: &str) -> String {
        format!("{}/{path}", self.text)
    }

    pub(super) fn child(&self, path: &str) -> Self {
        Self {
            text: self.join(path),
            https: self.https,
        }
    }
}

/// A port is 1 to 65535 in decimal; whatever else stands there is refused and not left out, as
/// the URL's own parser would do.
fn check_port(authority: &str) -> Result<(), ClientError> {
    // The colons of an IPv6 address stand in brackets.
    let after_host = authority
        .rsplit_once(']')
        .map_or(authority, |(_, rest)| rest);
    let Some((_, port)) = after_host.split_once(':') else {
        return Ok(());
    };
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(1..) if digits => Ok(()),
        _ => Err(ClientError::Url("its port is not a number from 1 to 65535")),
    }
}

/// Names whose traffic does not leave the machine (RFC 6761 §6.3 for `localhost`).
fn is_this_machine(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_anywhere_http_here() {
        for good in [
            "https://keys.example",
            "https://keys.example:8443/base/",
            "http://localhost:7100",
            "http://127.0.0.1:7100/api/v1/enclaves/e1",
            "http://[::1]:7100/",
        ] {
            let url = BaseUrl::parse(good).unwrap();
            assert_eq!(url.as_str(), good.trim_end_matches('/'));
        }
        for bad in [
            "",
            "keys.example",
            "/api",
            "ftp://keys.example",
            "http://keys.example",
            "http://localhost.evil.example",
            "https://user@keys.example",
            "https://keys.example?x=1",
            "https://keys.example/#x",
            "http://127.0.0.1.evil.example",
            "https://keys.example:0",
            "https://keys.example:65536",
            "https://keys.example:",
            "https://keys.example:+443",
            "https://keys.example:443x",
            "http://[::1]:99999",
            "https://keys.example:1:2",
        ] {
            assert!(
                matches!(BaseUrl::parse(bad), Err(ClientError::Url(_))),
                "{bad}"
            );
        }
    }

    #[test]
    fn paths_are_joined_with_one_slash() {
        let url = BaseUrl::parse("https://keys.example/").unwrap();
        assert_eq!(
            url.join("api/v1/enclaves"),
            "https://keys.example/api/v1/enclaves"
        );
        assert_eq!(url.child("a").join("b"), "https://keys.example/a/b");
    }
}
