//! The closed list of services and abilities that have words of their own. A name that is nearly
//! one of them is none of them.

use openkey_capability::ability::Ability;

/// Abilities by their present names, and what they let somebody do.
const VERBS: [(&str, &str); 31] = [
    ("tinycloud.capabilities/read", "See who may do what"),
    (
        "tinycloud.delegation/list",
        "See which permissions were given and received",
    ),
    ("tinycloud.delegation/revoke", "Take permissions back"),
    (
        "tinycloud.delegation/status",
        "See whether a permission still holds",
    ),
    ("tinycloud.duckdb/*", "Do everything with the databases"),
    ("tinycloud.duckdb/admin", "Change settings of the databases"),
    ("tinycloud.duckdb/export", "Download whole databases"),
    ("tinycloud.duckdb/import", "Replace whole databases"),
    ("tinycloud.duckdb/read", "Read the databases"),
    (
        "tinycloud.duckdb/write",
        "Change and delete what the databases hold",
    ),
    (
        "tinycloud.encryption/decrypt",
        "Open what is encrypted to the network",
    ),
    ("tinycloud.encryption/network.create", "Make the network"),
    (
        "tinycloud.encryption/network.revoke",
        "End the network: what is encrypted to it stays closed",
    ),
    (
        "tinycloud.hooks/list",
        "See which web addresses are told of changes",
    ),
    (
        "tinycloud.hooks/register",
        "Have a web address told of every change",
    ),
    ("tinycloud.hooks/subscribe", "Watch changes as they happen"),
    (
        "tinycloud.hooks/unregister",
        "Stop telling web addresses of changes",
    ),
    ("tinycloud.kv/del", "Delete values"),
    ("tinycloud.kv/get", "Read values"),
    ("tinycloud.kv/list", "See the names of values"),
    ("tinycloud.kv/metadata", "See what kind of values there are"),
    ("tinycloud.kv/put", "Write values, also over older ones"),
    ("tinycloud.space/create", "Make spaces"),
    ("tinycloud.space/host", "Keep the space and serve it"),
    ("tinycloud.space/info", "See facts about spaces"),
    ("tinycloud.space/list", "See which spaces there are"),
    ("tinycloud.sql/*", "Do everything with the databases"),
    (
        "tinycloud.sql/admin",
        "Change settings and tables of the databases",
    ),
    ("tinycloud.sql/read", "Read the databases"),
    ("tinycloud.sql/schema", "Make, change and delete tables"),
    (
        "tinycloud.sql/write",
        "Change and delete what the databases hold",
    ),
];

/// Services by their names in resources.
const SERVICES: [(&str, &str); 8] = [
    ("capabilities", "The list of permissions"),
    ("delegation", "Permissions"),
    ("duckdb", "Analytical databases"),
    ("encryption", "Encryption"),
    ("hooks", "Notices of changes"),
    ("kv", "Values"),
    ("space", "Spaces"),
    ("sql", "Databases"),
];

/// The words of an ability; `None` if it is not on the list.
pub(super) fn words(ability: &Ability) -> Option<&'static str> {
    let name = ability.canonical();
    let found = VERBS.iter().find(|(known, _)| *known == name);
    found.map(|(_, words)| *words)
}

/// The words of a service; `None` if it is not on the list.
pub(super) fn service(name: &str) -> Option<&'static str> {
    let found = SERVICES.iter().find(|(known, _)| *known == name);
    found.map(|(_, words)| *words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ability_is_there_once_by_its_present_name_and_belongs_to_a_service() {
        assert!(VERBS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (name, said) in &VERBS {
            let ability = Ability::parse(name).unwrap();
            assert_eq!(ability.canonical(), *name);
            assert_eq!(words(&ability), Some(*said));
            let namespace = ability.parts().0.strip_prefix("tinycloud.").unwrap();
            assert!(service(namespace).is_some(), "{namespace}");
        }
        let old = |name: &str| words(&Ability::parse(name).unwrap());
        assert_eq!(old("tinycloud.kv/delete"), old("tinycloud.kv/del"));
        assert_eq!(old("tinycloud.sql/select"), Some("Read the databases"));
    }

    #[test]
    fn b3_what_is_not_on_the_list_has_no_words() {
        for name in [
            "tinycloud.kv/*",
            "tinycloud.kv/Get",
            "tinycloud.KV/get",
            "kv/get",
            "tinycloud.kv/peek",
            "tinycloud.kv/read",
            "tinycloud.kv/admin",
            "tinycloud.sql/export",
            "tinycloud.encryption/Decrypt",
        ] {
            assert_eq!(words(&Ability::parse(name).unwrap()), None, "{name}");
        }
        assert_eq!(
            (service("KV"), service("vault"), service("")),
            (None, None, None)
        );
    }
}
