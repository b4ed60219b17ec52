//! What reaches beyond the asking app: data of other apps, the records by which clients know apps and
//! keys, and web addresses that are told of changes. Secrets are told by [`super::reach`].
//!
//! Apps keep their data below their own name in reverse, `xyz.tinycloud.listen/`, in the space
//! `applications` or in any other. The name of the asking app is that of its site, reversed; a grant on a
//! path that begins with another app's name is one on another app's data.

use openkey_capability::{
    ability::Ability,
    resource::{Resource, SpaceResource},
    uri::parse_authority,
};
use openkey_protocol::message::Severity;

/// The space with the records of apps, spaces and permissions, which clients read to know them.
const ACCOUNT: &str = "account";
/// The space where every first part of a path is the name of an app.
const APPLICATIONS: &str = "applications";
/// Where others look up a person's keys and networks, in the public space.
const WELL_KNOWN: &str = ".well-known/";
/// Abilities that change nothing, by the names after the slash.
const READING: [&str; 10] = [
    "get",
    "info",
    "list",
    "metadata",
    "read",
    "select",
    "status",
    "subscribe",
    "describe",
    "export",
];
/// Services that hold data of apps.
const DATA: [&str; 4] = ["kv", "sql", "duckdb", "hooks"];

/// How a permission reaches beyond the asking app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Beyond {
    /// Changes the records by which clients know apps, spaces and permissions.
    Registry,
    /// Changes the keys that others find.
    WellKnown,
    /// Has a web address told of changes.
    Hook,
    /// Reads those records.
    Records,
    /// Publishes.
    Public,
    /// The data of an app of another name.
    OtherApp,
}

impl Beyond {
    pub(super) const fn severity(self) -> Severity {
        match self {
            Self::Registry | Self::WellKnown => Severity::Danger,
            _ => Severity::Attention,
        }
    }

    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Registry => {
                "It changes the records of your account, by which programs know your apps, spaces and \
                 permissions: it could pass itself off as another app."
            }
            Self::WellKnown => {
                "It changes the public keys and addresses by which others find you: what they encrypt to \
                 you, somebody else could read."
            }
            Self::Hook => {
                "It can have a web address that you do not see here told of every change, until somebody \
                 stops it."
            }
            Self::Records => {
                "It reads the records of your account: your apps, spaces and permissions."
            }
            Self::Public => {
                "It publishes: everybody can read what it writes into your public space."
            }
            Self::OtherApp => {
                "It reaches data of an app whose name is not that of the site that asks. Only you can \
                 know whether that is right."
            }
        }
    }
}

/// How a permission reaches beyond the app at a site (host and port); empty if it does not.
pub(super) fn beyond(resource: &Resource, ability: &Ability, site: &str) -> Vec<Beyond> {
    let Resource::Space(it) = resource else {
        return Vec::new();
    };
    let (_, name) = ability.parts();
    let is_reading = READING.contains(&name);
    let mut found = Vec::new();
    if it.service() == "hooks" && name == "register" {
        found.push(Beyond::Hook);
    }
    if !DATA.contains(&it.service()) {
        return found;
    }
    let path = path(it);
    match it.space().name() {
        ACCOUNT if is_reading => found.push(Beyond::Records),
        ACCOUNT => found.push(Beyond::Registry),
        "public" if matches!(it.service(), "sql" | "duckdb") && !is_reading => {
            found.push(Beyond::Public);
        }
        "public" if it.service() == "kv" && !is_reading => {
            // By text and not by parts, as nodes compare keys of lists.
            let is_known = path.is_none_or(|it| {
                let path = it.trim_start_matches('/');
                WELL_KNOWN.starts_with(path) || path.starts_with(WELL_KNOWN)
            });
            found.push(if is_known {
                Beyond::WellKnown
            } else {
                Beyond::Public
            });
        }
        space => {
            let is_foreign =
                path.is_some_and(|it| is_of_other_app(it, space == APPLICATIONS, site));
            if is_foreign {
                found.push(Beyond::OtherApp);
            }
        }
    }
    found
}

/// The path of data: that of a notice begins with the service that it is on.
fn path(it: &SpaceResource) -> Option<&str> {
    match (it.service(), it.path()?) {
        ("hooks", path) => path.split_once('/').map(|(_, path)| path),
        (_, path) => Some(path),
    }
}

/// True if a path begins with the name of an app that is not the one at the site.
fn is_of_other_app(path: &str, is_always_app: bool, site: &str) -> bool {
    let path = path.trim_start_matches('/');
    let (first, has_more) = path
        .split_once('/')
        .map_or((path, false), |(first, _)| (first, true));
    (is_always_app || is_app(first, has_more)) && !is_own(first, site)
}

/// Endings of files that people name with two parts.
const FILES: [&str; 30] = [
    "avi", "bin", "bmp", "css", "csv", "db", "doc", "docx", "gif", "gz", "html", "jpeg", "jpg",
    "js", "json", "log", "md", "mp3", "mp4", "pdf", "png", "sqlite", "svg", "toml", "txt", "webp",
    "xlsx", "xml", "yaml", "zip",
];

/// True for names such as `xyz.tinycloud.listen`. One of two parts may be the name of a file, unless
/// something stands below it; a grant on it reaches what stands below, too.
fn is_app(name: &str, has_more: bool) -> bool {
    let parts: Vec<&str> = name.split('.').collect();
    let is_part = |it: &&str| {
        let is_one = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        !it.is_empty() && it.chars().all(is_one)
    };
    let is_file = parts.last().is_some_and(|it| {
        let it = it.to_ascii_lowercase();
        FILES.contains(&it.as_str()) || it.bytes().all(|it| it.is_ascii_digit())
    });
    let least = if has_more || !is_file { 2 } else { 3 };
    let is_domain = |it: &&str| it.len() > 1 && it.bytes().all(|it| it.is_ascii_alphabetic());
    parts.len() >= least && parts.iter().all(is_part) && parts.first().is_some_and(is_domain)
}

/// True if a name is the site's in reverse, or longer than it by whole parts. A shorter one is that of
/// all sites below it.
fn is_own(name: &str, site: &str) -> bool {
    let Some(host) = parse_authority(site).map(|it| it.host.to_ascii_lowercase()) else {
        return false;
    };
    let host = host.strip_prefix("www.").unwrap_or(&host);
    let mut parts: Vec<&str> = host.split('.').collect();
    parts.reverse();
    let own = parts.join(".");
    let rest = name.strip_prefix(own.as_str());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: &str = "tinycloud:pkh:eip155:1:0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";

    fn of(resource: &str, ability: &str) -> Vec<Beyond> {
        let resource = Resource::parse(&format!("{OWNER}:{resource}")).unwrap();
        let ability = Ability::parse(&format!("tinycloud.{ability}")).unwrap();
        beyond(&resource, &ability, "listen.tinycloud.xyz:443")
    }

    #[test]
    fn b10_what_reaches_beyond_the_app_is_found() {
        for (resource, ability, expected) in [
            ("account/kv/applications", "kv/put", Beyond::Registry),
            ("account/kv/applications/", "kv/del", Beyond::Registry),
            ("account/kv/spaces/x", "kv/put", Beyond::Registry),
            ("account/sql/main", "sql/write", Beyond::Registry),
            ("account/sql/main", "sql/*", Beyond::Registry),
            ("account/kv/applications", "kv/get", Beyond::Records),
            ("account/kv/applications", "kv/list", Beyond::Records),
            (
                "public/kv/.well-known/vault-pubkey",
                "kv/put",
                Beyond::WellKnown,
            ),
            ("public/kv/.well-known", "kv/put", Beyond::WellKnown),
            ("public/kv/.well", "kv/del", Beyond::WellKnown),
            ("public/kv/", "kv/put", Beyond::WellKnown),
            ("public/kv", "kv/put", Beyond::WellKnown),
            ("public/kv/photos/", "kv/put", Beyond::Public),
            ("default/hooks/kv/docs", "hooks/register", Beyond::Hook),
            (
                "default/hooks/kv/xyz.tinycloud.listen/a",
                "hooks/register",
                Beyond::Hook,
            ),
            ("default/kv/com.bank/", "kv/get", Beyond::OtherApp),
            ("default/kv/com.bank", "kv/get", Beyond::OtherApp),
            ("default/kv/com.bank.app", "kv/put", Beyond::OtherApp),
            ("public/sql/main", "sql/write", Beyond::Public),
            ("public/sql", "sql/admin", Beyond::Public),
            ("public/duckdb/main", "duckdb/write", Beyond::Public),
            ("default/kv//com.bank.app", "kv/put", Beyond::OtherApp),
            (
                "default/sql/com.bank.app/main",
                "sql/read",
                Beyond::OtherApp,
            ),
            ("applications/kv/bank/", "kv/get", Beyond::OtherApp),
            ("applications/kv/xyz.tinycloud", "kv/get", Beyond::OtherApp),
            (
                "applications/kv/xyz.tinycloud.listener/",
                "kv/get",
                Beyond::OtherApp,
            ),
            (
                "default/hooks/sql/com.bank.app/t",
                "hooks/subscribe",
                Beyond::OtherApp,
            ),
        ] {
            assert_eq!(of(resource, ability), [expected], "{resource} {ability}");
        }
        for (resource, ability) in [
            ("default/kv/docs/", "kv/put"),
            ("default/kv/a.txt", "kv/get"),
            ("default/kv/holiday.jpg", "kv/get"),
            ("default/kv/notes.2026", "kv/get"),
            ("public/sql/main", "sql/read"),
            ("default/kv/docs/com.bank.app/", "kv/get"),
            ("default/kv/xyz.tinycloud.listen/", "kv/put"),
            ("default/kv/xyz.tinycloud.listen.beta/", "kv/put"),
            ("applications/kv/xyz.tinycloud.listen/", "kv/del"),
            ("applications/sql/xyz.tinycloud.listen/main", "sql/write"),
            ("default/hooks/kv/docs", "hooks/subscribe"),
            ("default/hooks/kv/docs", "hooks/unregister"),
            ("public/kv/.well-known/vault-pubkey", "kv/get"),
            ("account/capabilities/all", "capabilities/read"),
            ("default/space", "space/info"),
        ] {
            assert_eq!(of(resource, ability), [], "{resource} {ability}");
        }
    }
}
