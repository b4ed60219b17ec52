//! `clientDataJSON` (WebAuthn Level 3 §5.8.1), read strictly: what the library does not compare.

use core::fmt;
use std::collections::HashSet;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

/// Longest client data, in bytes. Browsers write about 150.
const MAX_CLIENT_DATA: usize = 4096;

/// Which ceremony the client data must be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ceremony {
    Create,
    Get,
}

impl Ceremony {
    const fn name(self) -> &'static str {
        match self {
            Self::Create => "webauthn.create",
            Self::Get => "webauthn.get",
        }
    }
}

/// What is wrong with client data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Not one JSON object, or one with a member twice or of another type.
    Shape,
    /// For another ceremony.
    Ceremony,
    /// Made on another page than the prompt's.
    Origin,
    /// Made in a frame of another site.
    CrossOrigin,
    /// The challenge is not written in base64url without padding (§5.8.1).
    Challenge,
}

impl Fault {
    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::Shape => "The browser's account of the passkey prompt cannot be read.",
            Self::Ceremony => "The passkey answered another kind of question.",
            Self::Origin => "The passkey was used on another page than the one that asked.",
            Self::CrossOrigin => "The passkey was used inside a page of another site.",
            Self::Challenge => {
                "The challenge in the browser's account of the passkey prompt is not written in \
                 base64url without padding."
            }
        }
    }
}

/// Checks type, exact origin, that no other site's page was around it, and that the challenge is
/// written in the one way. Which challenge it is, the library compares.
pub(super) fn check_client_data(
    ceremony: Ceremony,
    bytes: &[u8],
    origin: &str,
) -> Result<(), Fault> {
    if bytes.len() > MAX_CLIENT_DATA {
        return Err(Fault::Shape);
    }
    let data: ClientData = serde_json::from_slice(bytes).map_err(|_| Fault::Shape)?;
    if data.ceremony.as_deref() != Some(ceremony.name()) {
        return Err(Fault::Ceremony);
    }
    if data.origin.as_deref() != Some(origin) {
        return Err(Fault::Origin);
    }
    if data.cross_origin == Some(true) || data.has_top_origin {
        return Err(Fault::CrossOrigin);
    }
    // The library reads other alphabets and padding, too.
    let challenge = data.challenge.unwrap_or_default();
    if challenge.is_empty() || Base64UrlUnpadded::decode_vec(&challenge).is_err() {
        return Err(Fault::Challenge);
    }
    Ok(())
}

#[derive(Default)]
struct ClientData {
    ceremony: Option<String>,
    origin: Option<String>,
    challenge: Option<String>,
    cross_origin: Option<bool>,
    has_top_origin: bool,
}

impl<'de> Deserialize<'de> for ClientData {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = ClientData;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("client data")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ClientData, A::Error> {
                let mut data = ClientData::default();
                let mut seen = HashSet::new();
                while let Some(member) = map.next_key::<String>()? {
                    match member.as_str() {
                        "type" => data.ceremony = Some(map.next_value()?),
                        "origin" => data.origin = Some(map.next_value()?),
                        "challenge" => data.challenge = Some(map.next_value()?),
                        "crossOrigin" => data.cross_origin = Some(map.next_value()?),
                        "topOrigin" => {
                            data.has_top_origin = true;
                            map.next_value::<IgnoredAny>()?;
                        }
                        // Browsers add members to see who cannot bear it (§5.8.1).
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                    // Two readers may not differ about which of two members counts.
                    if !seen.insert(member) {
                        return Err(serde::de::Error::custom("a member stands twice"));
                    }
                }
                Ok(data)
            }
        }

        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "http://localhost:7100";

    fn check(json: &str) -> Result<(), Fault> {
        check_client_data(Ceremony::Get, json.as_bytes(), ORIGIN)
    }

    #[test]
    fn accepts_what_browsers_write() {
        for json in [
            r#"{"type":"webauthn.get","challenge":"AA","origin":"http://localhost:7100","crossOrigin":false}"#,
            r#"{"type":"webauthn.get","challenge":"AA","origin":"http://localhost:7100"}"#,
            r#"{"type":"webauthn.get","challenge":"AA","origin":"http://localhost:7100","crossOrigin":false,"other_keys_can_be_added_here":"do not compare clientDataJSON against a template. See https://goo.gl/yabPex"}"#,
        ] {
            assert_eq!(check(json), Ok(()));
        }
    }

    #[test]
    fn refuses_everything_that_is_not_this_prompt() {
        for (json, fault) in [
            (
                r#"{"type":"webauthn.create","origin":"http://localhost:7100"}"#,
                Fault::Ceremony,
            ),
            (r#"{"origin":"http://localhost:7100"}"#, Fault::Ceremony),
            (r#"{"type":"webauthn.get"}"#, Fault::Origin),
            (
                r#"{"type":"webauthn.get","origin":"http://localhost:7101"}"#,
                Fault::Origin,
            ),
            (
                r#"{"type":"webauthn.get","origin":"http://localhost:7100/"}"#,
                Fault::Origin,
            ),
            (
                r#"{"type":"webauthn.get","origin":"https://localhost:7100"}"#,
                Fault::Origin,
            ),
            (
                r#"{"type":"webauthn.get","origin":"http://localhost:7100","crossOrigin":true}"#,
                Fault::CrossOrigin,
            ),
            (
                r#"{"type":"webauthn.get","origin":"http://localhost:7100","crossOrigin":false,"topOrigin":"https://evil.example"}"#,
                Fault::CrossOrigin,
            ),
            (
                r#"{"type":"webauthn.get","origin":"http://localhost:7100","topOrigin":null}"#,
                Fault::CrossOrigin,
            ),
            (
                r#"{"type":"webauthn.get","origin":"https://evil.example","origin":"http://localhost:7100"}"#,
                Fault::Shape,
            ),
            (
                r#"{"type":"webauthn.get","origin":"http://localhost:7100","x":1,"x":2}"#,
                Fault::Shape,
            ),
            (
                r#"{"type":"webauthn.get","origin":"http://localhost:7100","crossOrigin":"true"}"#,
                Fault::Shape,
            ),
            (
                r#"{"type":"webauthn.get","origin":"http://localhost:7100"} x"#,
                Fault::Shape,
            ),
            (
                r#"{"type":"webauthn.get","origin":"http://localhost:7100"}"#,
                Fault::Challenge,
            ),
            (
                r#"{"type":"webauthn.get","challenge":"","origin":"http://localhost:7100"}"#,
                Fault::Challenge,
            ),
            (
                r#"{"type":"webauthn.get","challenge":"AA==","origin":"http://localhost:7100"}"#,
                Fault::Challenge,
            ),
            (
                r#"{"type":"webauthn.get","challenge":"+/8","origin":"http://localhost:7100"}"#,
                Fault::Challenge,
            ),
            (
                r#"{"type":"webauthn.get","challenge":"AB","origin":"http://localhost:7100"}"#,
                Fault::Challenge,
            ),
            ("\u{feff}{}", Fault::Shape),
            ("[]", Fault::Shape),
            ("", Fault::Shape),
        ] {
            assert_eq!(check(json), Err(fault), "{json}");
        }
        let long = format!(
            r#"{{"type":"webauthn.get","x":"{}"}}"#,
            "x".repeat(MAX_CLIENT_DATA)
        );
        assert_eq!(check(&long), Err(Fault::Shape));
    }
}
