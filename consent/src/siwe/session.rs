//! Sign-ins that OpenKey's own page wrote: a session key that the page made gets permissions on values, or
//! a node keeps a space. Nothing else passes as one, so that whoever calls something so that they gave the
//! person gains little: it does what the page's own sign-ins do, at the page's own site, or it is refused.

use openkey_capability::{recap::ReCap, resource::Resource, siwe::Message};
use openkey_protocol::message::{Error, ErrorCode};

use crate::{
    asker::{Asker, foreign},
    refusal::refuse,
};

/// The space that the page works in.
const SPACE: &str = "default";
/// What a session of the page may do with values.
const ABILITIES: [&str; 5] = ["del", "get", "list", "metadata", "put"];
/// The longest session that the page offers: seven days, in milliseconds.
const LONGEST: i64 = 7 * 86_400_000;

/// Refuses what the page does not write.
pub(super) fn check(
    message: &Message,
    recap: Option<&ReCap>,
    asker: Asker<'_>,
) -> Result<(), Error> {
    match fault(message, recap, asker) {
        None => Ok(()),
        Some(why) => Err(refuse(
            ErrorCode::SiweUnsupported,
            "not_of_the_page",
            &format!("This is no sign-in that OpenKey's page writes for itself: {why}."),
            "Ask for it to be signed as a sign-in that somebody gave you.",
        )),
    }
}

fn fault(message: &Message, recap: Option<&ReCap>, asker: Asker<'_>) -> Option<&'static str> {
    let fields = message.fields();
    let is_of_page = matches!(asker, Asker::Page(_))
        && foreign(asker, fields.scheme.as_deref(), &fields.domain).is_none();
    let others = fields.resources.as_ref().map_or(0, Vec::len);
    let lasts = message.expiration_time().map(|end| {
        let made = message.issued_at().unix_ms();
        end.unix_ms().saturating_sub(made)
    });
    if !is_of_page {
        Some("it is not to the page's own site")
    } else if !fields.uri.starts_with("did:key:") {
        Some("it is not for a key")
    } else if lasts.is_none_or(|it| it > LONGEST) {
        Some("it has no end within seven days")
    } else if fields.not_before.is_some() || fields.request_id.is_some() || others > 1 {
        Some("it has members that the page does not write")
    } else {
        match recap {
            None => Some("it gives no permission"),
            Some(recap) => unusual(message, recap),
        }
    }
}

/// What a session of the page never has: words of its own, or other permissions.
fn unusual(message: &Message, recap: &ReCap) -> Option<&'static str> {
    let statement = message.fields().statement.as_deref();
    if statement != Some(recap.statement().as_str()) {
        return Some("it has a statement of its own");
    }
    let is_usual = |text: &str, ability: &str| {
        let Ok(Resource::Space(it)) = Resource::parse(text) else {
            return false;
        };
        it.space().name() == SPACE
            && match (it.service(), ability.split_once('/')) {
                ("kv", Some(("tinycloud.kv", name))) => ABILITIES.contains(&name),
                ("space", Some(name)) => name == ("tinycloud.space", "host") && it.path().is_none(),
                _ => false,
            }
    };
    let is_one = recap.attenuation().resources().count() == 1;
    let is_all = recap
        .attenuation()
        .resources()
        .all(|(text, abilities)| abilities.keys().all(|it| is_usual(text, &it.to_string())));
    (!recap.proofs().is_empty() || !is_one || !is_all)
        .then_some("it gives permissions that the page does not ask for")
}
