//! The one spelling of a message with a ReCap.

use openkey_capability::recap::{PREFIX, ReCap, RecapError};
use openkey_capability::siwe::{Message, mentions_recap};
use openkey_protocol::message::{Error, ErrorCode};

use crate::{refusal::refuse, words::quoted};

/// Most resources: more than a person reads, and several times what clients ask for.
const MAX_RESOURCES: usize = 64;
/// Most permissions over all resources, for the same reason.
const MAX_PERMISSIONS: usize = 256;

/// The ReCap of a message; `None` if there is nothing in it that even looks like one.
///
/// It must be the last resource and the only one, in canonical form, without caveats, and the
/// statement must end with the very sentence that it generates.
pub(crate) fn read(message: &Message) -> Result<Option<ReCap>, Error> {
    if !message.has_recap() {
        return Ok(None);
    }
    let mut rest = message.fields().clone();
    let last = rest.resources.as_mut().and_then(Vec::pop);
    let Some(last) = last.filter(|resource| resource.starts_with(PREFIX)) else {
        return Err(broken(
            "recap_not_last",
            "the last resource is not the ReCap",
        ));
    };
    let recap = ReCap::parse(&last).map_err(|error| {
        let name = ReCap::refused_name(&last).map(|name| quoted(&name));
        match (error, name) {
            (RecapError::Resource, Some(name)) => broken(
                error.rule(),
                format!("the resource {name} is not a URI (a scheme, a colon, and what it names)"),
            ),
            (RecapError::Ability, Some(name)) => broken(
                error.rule(),
                format!("{name} is not an ability (a namespace, a slash, and a name)"),
            ),
            (error, _) => broken(error.rule(), error),
        }
    })?;
    if recap.encode() != last {
        return Err(broken(
            "recap_canonical",
            "the ReCap is not in canonical form",
        ));
    }
    let own = own_words(rest.statement.as_deref().unwrap_or_default(), &recap)
        .ok_or_else(|| broken(RecapError::Statement.rule(), RecapError::Statement))?;
    rest.statement = Some(own.to_owned());
    // What is left must not speak of another one, in any spelling.
    if mentions_recap(&rest.to_string()) {
        return Err(broken(
            "recap_twice",
            "there is more than one ReCap, or what looks like one",
        ));
    }
    let attenuation = recap.attenuation();
    if attenuation.is_empty() {
        return Err(broken("recap_empty", "the ReCap names no resource"));
    }
    let hollow = attenuation.resources().find(|(_, them)| them.is_empty());
    if let Some((resource, _)) = hollow {
        return Err(broken(
            "recap_empty",
            format!("the ReCap grants nothing on {}", quoted(resource)),
        ));
    }
    // Two empty caveats grant as much as one; there is one spelling.
    if attenuation
        .iter()
        .any(|(_, _, caveats)| caveats.as_slice().len() != 1)
    {
        return Err(broken(RecapError::Caveats.rule(), RecapError::Caveats));
    }
    let resources = attenuation.resources().count();
    let permissions = attenuation.iter().count();
    if resources > MAX_RESOURCES || permissions > MAX_PERMISSIONS {
        return Err(refuse(
            ErrorCode::SiweUnsupported,
            "too_many_grants",
            &format!(
                "This sign-in asks for {permissions} permissions on {resources} resources; nobody \
                 reads more than {MAX_PERMISSIONS} on {MAX_RESOURCES}."
            ),
            "Ask the app for fewer permissions at a time.",
        ));
    }
    Ok(Some(recap))
}

/// What a statement says before the sentence of its ReCap, without the space between them.
pub(crate) fn own_words<'a>(statement: &'a str, recap: &ReCap) -> Option<&'a str> {
    let own = statement.strip_suffix(recap.statement().as_str())?;
    if own.is_empty() {
        Some(own)
    } else {
        own.strip_suffix(' ')
    }
}

fn broken(rule: &str, why: impl core::fmt::Display) -> Error {
    refuse(
        ErrorCode::SiweRefused,
        rule,
        &format!("This sign-in hands out permissions, but not in the exact form: {why}."),
        "Tell the app's maker; nothing was signed.",
    )
}
