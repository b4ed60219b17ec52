//! Names and paths that could be taken for others. They are never treated as what they look like:
//! names are compared byte for byte, and these only add a word of caution.

/// Where clients keep secrets, in any space.
pub(super) const SECRETS: &str = "vault/secrets/";
/// The space in which clients keep secrets, whatever is in it.
pub(super) const SECRETS_SPACE: &str = "secrets";
/// Below [`SECRETS`]: the secrets of one app.
const SCOPED: &str = "vault/secrets/scoped/";
/// Spaces that clients know by name.
const SPACES: [&str; 5] = [
    "account",
    "applications",
    "default",
    "public",
    SECRETS_SPACE,
];

/// The space that a name of another one looks like.
pub(super) fn space_look_alike(name: &str) -> Option<&'static str> {
    let folded = folded(name);
    let is_like = |known: &&&str| folded.trim_end_matches('s') == known.trim_end_matches('s');
    let found = SPACES.iter().find(is_like).copied();
    found.filter(|known| *known != name)
}

/// What a person should know about the spelling of a path.
pub(super) fn oddities(path: &str) -> Vec<&'static str> {
    let mut found = Vec::new();
    if path.is_empty() {
        found.push("A path is empty, which is another thing than no path.");
    } else if path.starts_with('/') || path.contains("//") {
        found.push("A path has an empty part: it is another one than without.");
    }
    let parts: Vec<String> = path
        .split('/')
        .map(folded)
        .filter(|part| !part.is_empty())
        .collect();
    let is_like_secrets = match parts.as_slice() {
        [vault, secrets, ..] => vault == "vault" && secrets.trim_end_matches('s') == "secret",
        _ => false,
    };
    if is_like_secrets && !path.starts_with(SECRETS.trim_end_matches('/')) {
        found.push("A path looks like the place of your secrets but is another one.");
    }
    if let Some(scope) = path
        .strip_prefix(SCOPED)
        .and_then(|rest| rest.split('/').next())
        && scope != as_scope(scope)
    {
        found.push("A path looks like an app's own secrets but is another one.");
    }
    found
}

/// Letters and digits alone, in lower case.
fn folded(name: &str) -> String {
    let plain = name.chars().filter(char::is_ascii_alphanumeric);
    plain.map(|c| c.to_ascii_lowercase()).collect()
}

/// An app's name as clients write it into paths: lower case, everything else one dash.
fn as_scope(name: &str) -> String {
    let mut scope = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            scope.push(c.to_ascii_lowercase());
        } else if !scope.ends_with('-') {
            scope.push('-');
        }
    }
    scope.trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b2_b5_look_alikes_are_found_and_the_real_ones_are_not() {
        for real in SPACES.into_iter().chain(["notes", "secretary", "bench"]) {
            assert_eq!(space_look_alike(real), None, "{real}");
        }
        for (name, like) in [
            ("Secrets", "secrets"),
            ("secret", "secrets"),
            ("sec-rets", "secrets"),
            ("SECRETS.", "secrets"),
            ("DEFAULT", "default"),
        ] {
            assert_eq!(space_look_alike(name), Some(like), "{name}");
        }
        for path in [
            "docs/",
            "docs/a.txt",
            "vault/secrets/A",
            "vault/secrets",
            "vault",
            "vault/secrets/scoped/listen-app/X",
        ] {
            assert_eq!(oddities(path), Vec::<&str>::new(), "{path}");
        }
        for (path, part) in [
            ("", "empty"),
            ("/docs", "empty part"),
            ("docs//a", "empty part"),
            ("vault/Secrets/A", "place of your secrets"),
            ("Vault/secrets/A", "place of your secrets"),
            ("/vault/secrets/A", "place of your secrets"),
            ("vault/secret/A", "place of your secrets"),
            ("vault/secrets/scoped/listen--app/X", "app's own"),
            ("vault/secrets/scoped/Listen/X", "app's own"),
        ] {
            assert!(oddities(path).iter().any(|it| it.contains(part)), "{path}");
        }
    }
}
