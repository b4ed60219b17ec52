//! What reaches secrets. It is worked out from what a node would allow, never from what a resource
//! is called, and in doubt the answer is yes.

use openkey_capability::{ability::Ability, resource::Resource};
use openkey_protocol::message::Severity;

use super::names::{SECRETS, SECRETS_SPACE};
use super::verbs;

/// How a permission reaches secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// The keys that secrets are encrypted with.
    Decrypt,
    /// The network itself.
    Network,
    /// Anything in the space that holds secrets.
    Space,
    /// The paths that hold secrets, or some of them.
    Path,
    /// Every value of a space, and so what clients keep as secrets there.
    AllValues,
    /// Whatever the service can do.
    Wildcard,
    /// Something that nobody here knows.
    Unknown,
    /// All of a service other than values.
    WholeService,
    /// Other permissions, and so theirs.
    Permissions,
}

impl Reach {
    pub(super) const fn severity(self) -> Severity {
        match self {
            Self::WholeService | Self::Permissions => Severity::Attention,
            _ => Severity::Danger,
        }
    }

    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Decrypt => {
                "It opens what is encrypted to your network: every secret that can be read."
            }
            Self::Network => "It makes or ends the network that your secrets are encrypted to.",
            Self::Space => "It reaches into the space where your secrets are.",
            Self::Path => "It reaches the paths where your secrets are.",
            Self::AllValues => "It reaches every value of a space, secrets among them.",
            Self::Wildcard => {
                "It allows everything that a service can do, also what is added later."
            }
            Self::Unknown => "It allows something that this enclave does not know.",
            Self::WholeService => "It reaches all that a service holds.",
            Self::Permissions => "It reaches the permissions that were given, to secrets as well.",
        }
    }
}

/// How a permission reaches secrets; `None` if it does not.
pub(super) fn reach(resource: &Resource, ability: &Ability) -> Option<Reach> {
    let is_unknown = verbs::words(ability).is_none();
    let (_, name) = ability.parts();
    match resource {
        Resource::Network(_) if name == "decrypt" => Some(Reach::Decrypt),
        Resource::Network(_) => Some(if is_unknown {
            Reach::Unknown
        } else {
            Reach::Network
        }),
        Resource::Space(it) if it.space().name() == SECRETS_SPACE => Some(Reach::Space),
        Resource::Space(_) if name.contains('*') => Some(Reach::Wildcard),
        Resource::Space(_) if is_unknown => Some(Reach::Unknown),
        Resource::Space(it) => match (it.service(), it.path()) {
            ("kv", None) => Some(Reach::AllValues),
            ("kv", Some(path)) => is_near(path).then_some(Reach::Path),
            ("capabilities" | "delegation", _) => Some(Reach::Permissions),
            ("space", _) => None,
            (_, None) => Some(Reach::WholeService),
            // Notices are on a service and a path of it.
            ("hooks", Some(path)) => match path.split_once('/') {
                Some(("kv", path)) => is_near(path).then_some(Reach::Path),
                None if matches!(path, "" | "kv") => Some(Reach::AllValues),
                _ => None,
            },
            (_, Some(_)) => None,
        },
        Resource::Cid(_) => Some(Reach::Permissions),
        // Another URI matches nothing of TinyCloud's; it is flagged for what it is.
        Resource::Other(_) => None,
    }
}

/// Whether a grant on a path reaches secrets. By text and not by segments, because nodes list by
/// text: who may list `vault/se` sees the names of secrets.
fn is_near(path: &str) -> bool {
    SECRETS.starts_with(path) || path.starts_with(SECRETS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: &str = "tinycloud:pkh:eip155:1:0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";

    fn of(resource: &str, ability: &str) -> Option<Reach> {
        let resource = if resource.starts_with("urn:") {
            resource.to_owned()
        } else {
            format!("{OWNER}:{resource}")
        };
        reach(
            &Resource::parse(&resource).unwrap(),
            &Ability::parse(ability).unwrap(),
        )
    }

    #[test]
    fn b10_reach_is_computed() {
        let network = "urn:tinycloud:encryption:did:pkh:eip155:1:0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266:default";
        let cid = "urn:cid:bafkr4icbi4xymykl4imn6dj6so3typosyzw3sp235q4nq35rdqfwbv7ima";
        for (resource, ability, expected) in [
            (network, "tinycloud.encryption/decrypt", Reach::Decrypt),
            (
                network,
                "tinycloud.encryption/network.create",
                Reach::Network,
            ),
            (
                network,
                "tinycloud.encryption/network.revoke",
                Reach::Network,
            ),
            (network, "tinycloud.encryption/peek", Reach::Unknown),
            (
                "secrets/kv/vault/secrets/A",
                "tinycloud.kv/get",
                Reach::Space,
            ),
            ("secrets/sql/default", "tinycloud.sql/read", Reach::Space),
            ("secrets/kv/anything", "tinycloud.kv/metadata", Reach::Space),
            ("default/kv/vault/secrets/", "tinycloud.kv/get", Reach::Path),
            (
                "default/kv/vault/secrets/A",
                "tinycloud.kv/del",
                Reach::Path,
            ),
            ("default/kv/vault/secrets", "tinycloud.kv/get", Reach::Path),
            ("default/kv/vault/", "tinycloud.kv/get", Reach::Path),
            ("default/kv/vault", "tinycloud.kv/get", Reach::Path),
            ("default/kv/va", "tinycloud.kv/list", Reach::Path),
            ("default/kv/", "tinycloud.kv/list", Reach::Path),
            ("default/kv", "tinycloud.kv/put", Reach::AllValues),
            (
                "default/hooks/kv/vault/secrets/A",
                "tinycloud.hooks/subscribe",
                Reach::Path,
            ),
            (
                "default/hooks/kv",
                "tinycloud.hooks/subscribe",
                Reach::AllValues,
            ),
            (
                "default/hooks",
                "tinycloud.hooks/subscribe",
                Reach::WholeService,
            ),
            ("default/sql", "tinycloud.sql/read", Reach::WholeService),
            ("default/sql/app/main", "tinycloud.sql/*", Reach::Wildcard),
            ("default/kv/docs/", "tinycloud.kv/*", Reach::Wildcard),
            ("default/kv/docs/", "tinycloud.kv/peek", Reach::Unknown),
            (
                "default/capabilities/all",
                "tinycloud.capabilities/read",
                Reach::Permissions,
            ),
            (
                "default/delegation",
                "tinycloud.delegation/list",
                Reach::Permissions,
            ),
            (cid, "tinycloud.delegation/revoke", Reach::Permissions),
        ] {
            assert_eq!(
                of(resource, ability),
                Some(expected),
                "{resource} {ability}"
            );
        }
        for (resource, ability) in [
            ("default/kv/docs/", "tinycloud.kv/get"),
            ("default/kv/vaults/", "tinycloud.kv/get"),
            ("default/kv/a/vault/secrets/", "tinycloud.kv/get"),
            ("default/sql/main", "tinycloud.sql/write"),
            ("default/hooks/kv/docs", "tinycloud.hooks/subscribe"),
            ("default/space", "tinycloud.space/info"),
        ] {
            assert_eq!(of(resource, ability), None, "{resource} {ability}");
        }
    }
}
