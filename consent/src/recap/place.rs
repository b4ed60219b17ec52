//! One resource of a ReCap: whose it is, what it is, and whether it may be granted at all.

use openkey_capability::{
    attenuation::Abilities,
    did::Did,
    resource::{Resource, ResourceError, SpaceResource},
    uri::UriError,
};
use openkey_protocol::message::{Error, ErrorCode, GrantKind, Severity, Warning};

use super::{names, verbs};
use crate::{
    chains,
    refusal::refuse,
    words::{quoted, warning},
};

/// Prefixes under which a URI that names nothing of TinyCloud's could pass for one that does.
const NEARLY_OURS: [&str; 3] = ["tinycloud:", "urn:tinycloud:", "urn:cid:"];

/// A resource in words.
pub(super) struct Place {
    pub(super) resource: Resource,
    pub(super) kind: GrantKind,
    pub(super) owner: String,
    pub(super) scope: String,
    pub(super) warnings: Vec<Warning>,
}

impl Place {
    /// Reads a resource and holds the abilities on it to its service.
    pub(super) fn read(
        text: &str,
        abilities: &Abilities,
        signer: &Did,
        rests_on_others: bool,
    ) -> Result<Self, Error> {
        let resource = Resource::parse(text).map_err(|error| match error {
            ResourceError::Uri(error) => no_uri(text, error),
            error => odd(text, &error.to_string()),
        })?;
        // Only the capitals of an address may differ from the one spelling.
        if !resource.to_string().eq_ignore_ascii_case(text) {
            return Err(odd(text, "it has another spelling, which is the usual one"));
        }
        let mut warnings = Vec::new();
        let (kind, scope, namespace) = match &resource {
            Resource::Space(it) => {
                check_parts(it, text)?;
                look_twice(it, &mut warnings);
                let namespace = format!("tinycloud.{}", it.service());
                (GrantKind::Data, scope_of(it), Some(namespace))
            }
            Resource::Network(it) => (
                GrantKind::Network,
                format!("The encryption network {}", quoted(it.name())),
                Some("tinycloud.encryption".to_owned()),
            ),
            Resource::Cid(cid) => (
                GrantKind::Token,
                format!("The permission {cid}"),
                Some("tinycloud.delegation".to_owned()),
            ),
            Resource::Other(_) => {
                let lower = text.to_ascii_lowercase();
                if NEARLY_OURS.iter().any(|prefix| lower.starts_with(prefix)) {
                    return Err(odd(
                        text,
                        "it begins like a space, a network or a token, but names none",
                    ));
                }
                warnings.push(warning(
                    Severity::Danger,
                    "A permission is on something that this enclave does not know.",
                ));
                (
                    GrantKind::Unknown,
                    format!("Unknown: {}", quoted(text)),
                    None,
                )
            }
        };
        if let Some(namespace) = namespace {
            for ability in abilities.keys() {
                if ability.parts().0 != namespace {
                    return Err(other_service(text, ability.as_str()));
                }
            }
        }
        let owner = owner_of(&resource, signer, rests_on_others, &mut warnings)?;
        Ok(Self {
            resource,
            kind,
            owner,
            scope,
            warnings,
        })
    }
}

/// Refuses what two readers could read differently. Escapes do not even come this far: a statement
/// has no room for them.
fn check_parts(it: &SpaceResource, text: &str) -> Result<(), Error> {
    if it.service().is_empty() {
        return Err(odd(text, "it names no service"));
    }
    if text.contains(['?', '#', '%']) {
        return Err(odd(text, "it has a query, a fragment or an escape"));
    }
    Ok(())
}

fn look_twice(it: &SpaceResource, warnings: &mut Vec<Warning>) {
    if let Some(known) = names::space_look_alike(it.space().name()) {
        let name = quoted(it.space().name());
        warnings.push(warning(
            Severity::Attention,
            format!("The space {name} is not your space “{known}”, although it looks like it."),
        ));
    }
    let oddities = it.path().map(names::oddities).unwrap_or_default();
    warnings.extend(
        oddities
            .into_iter()
            .map(|it| warning(Severity::Attention, it)),
    );
}

fn scope_of(it: &SpaceResource) -> String {
    let space = quoted(it.space().name());
    let service = verbs::service(it.service()).map_or_else(
        || format!("The unknown service {}", quoted(it.service())),
        str::to_owned,
    );
    match it.path() {
        None => format!("{service} in the space {space}: all of them"),
        Some("") => {
            format!("{service} in the space {space}: the empty path, and what begins with “/”")
        }
        Some(path) if path.ends_with('/') => {
            format!(
                "{service} in the space {space}: {} and everything below",
                quoted(path)
            )
        }
        Some(path) => {
            format!(
                "{service} in the space {space}: {} and anything below it",
                quoted(path)
            )
        }
    }
}

/// Who owns a resource, from the signer's side. A signature grants only what is the signer's own,
/// on the chain that the message names, or what others gave before.
fn owner_of(
    resource: &Resource,
    signer: &Did,
    rests_on_others: bool,
    warnings: &mut Vec<Warning>,
) -> Result<String, Error> {
    let Some(owner) = resource.owner() else {
        return Ok("Nobody in particular".to_owned());
    };
    if owner == signer {
        return Ok("Yours".to_owned());
    }
    let is_other_chain = matches!(
        (owner.account(), signer.account()),
        (Some((_, owner)), Some((_, signer))) if owner == signer
    );
    let whose = match owner.account() {
        Some((chain, _)) if is_other_chain => {
            format!(
                "Your address on {}, which is another account: {owner}",
                chains::name(chain.get())
            )
        }
        _ => format!("Somebody else's: {owner}"),
    };
    if !rests_on_others {
        return Err(refuse(
            ErrorCode::SiweUnsupported,
            "other_owner",
            &format!("This sign-in hands out what is not this account's: {owner}."),
            "Choose the key and chain that own it, or ask the app for a new request.",
        ));
    }
    warnings.push(warning(
        Severity::Danger,
        "It hands on what is not yours. Somebody gave it to you, if the permission it rests on holds.",
    ));
    Ok(whose)
}

fn no_uri(text: &str, why: UriError) -> Error {
    refuse(
        ErrorCode::SiweUnsupported,
        "odd_resource",
        &format!("The resource {} is not a URI: {why}.", quoted(text)),
        "Tell the app's maker; nothing was signed.",
    )
}

fn odd(text: &str, why: &str) -> Error {
    refuse(
        ErrorCode::SiweUnsupported,
        "odd_resource",
        &format!(
            "Two readers could disagree about what the resource {} is: {why}.",
            quoted(text)
        ),
        "Tell the app's maker; nothing was signed.",
    )
}

fn other_service(resource: &str, ability: &str) -> Error {
    refuse(
        ErrorCode::SiweUnsupported,
        "other_service",
        &format!(
            "{} is a permission of another service than {} is of.",
            quoted(ability),
            quoted(resource)
        ),
        "Tell the app's maker; nothing was signed.",
    )
}
