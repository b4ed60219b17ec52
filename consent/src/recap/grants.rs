//! Every permission of a ReCap in words, and what they do together.

use std::collections::BTreeSet;

use openkey_capability::{ability::Ability, did::Did, recap::ReCap, resource::Resource};
use openkey_protocol::message::{
    Error, ErrorCode, Grant, GrantKind, GrantedAbility, Severity, Warning,
};

use super::{beyond::beyond, place::Place, reach::reach, verbs};
use crate::{
    refusal::refuse,
    words::{quoted, warning},
};

/// Lets a node keep a space: never one permission among others.
const HOST: &str = "tinycloud.space/host";

/// The permissions and what to say about them.
pub(super) struct Explained {
    pub(super) grants: Vec<Grant>,
    pub(super) warnings: Vec<Warning>,
    /// The space that a node may keep, if that is what is granted.
    pub(super) hosted: Option<String>,
}

/// `site` is the one that asks, host and port.
pub(super) fn explain(recap: &ReCap, signer: &Did, site: &str) -> Result<Explained, Error> {
    let rests_on_others = !recap.proofs().is_empty();
    let mut places = Vec::new();
    for (text, abilities) in recap.attenuation().resources() {
        let place = Place::read(text, abilities, signer, rests_on_others)?;
        places.push((text, place, abilities.keys().collect::<Vec<_>>()));
    }
    let hosted = hosted(&places, signer)?;
    let mut warnings = Warnings::default();
    let mut reached = 0_usize;
    let mut grants = Vec::new();
    for (index, (text, place, abilities)) in places.iter().enumerate() {
        let mut told = Vec::new();
        let mut reaches_secrets = false;
        for ability in abilities {
            let reach = reach(&place.resource, ability).filter(|_| hosted.is_none());
            if let Some(reach) = reach {
                reached += 1;
                reaches_secrets = true;
                warnings.add(reach.severity(), reach.words());
            }
            let mut severity = reach.map(|it| it.severity());
            for beyond in beyond(&place.resource, ability, site) {
                severity = severity.max(Some(beyond.severity()));
                warnings.add(beyond.severity(), beyond.words());
            }
            let words = verbs::words(ability).filter(|_| place.kind != GrantKind::Unknown);
            if words.is_none() {
                warnings.add(Severity::Danger, unknown(ability));
            }
            let unknown_is_worst = words.is_none().then_some(Severity::Danger);
            told.push(GrantedAbility {
                ability: ability.to_string(),
                words: words.map_or_else(|| unknown(ability), str::to_owned),
                severity: severity.max(unknown_is_worst),
                within: wider(&places, index, ability),
            });
        }
        if told.iter().any(|it| it.within.is_some()) {
            warnings.add(
                Severity::Notice,
                "Some permissions are part of wider ones: to leave them out would change nothing.",
            );
        }
        for one in &place.warnings {
            warnings.add(one.severity, one.text.clone());
        }
        grants.push(Grant {
            kind: if hosted.is_some() {
                GrantKind::Hosting
            } else {
                place.kind
            },
            resource: (*text).to_owned(),
            owner: place.owner.clone(),
            scope: hosted.as_ref().map_or_else(
                || place.scope.clone(),
                |space| format!("The whole space {}", quoted(space)),
            ),
            abilities: told,
            reaches_secrets,
        });
    }
    let mut warnings = warnings.list;
    if reached > 0 {
        let total: usize = grants.iter().map(|grant| grant.abilities.len()).sum();
        let worst = warnings.iter().map(|it| it.severity).max();
        let severity = worst.unwrap_or(Severity::Attention);
        let text = format!(
            "{reached} of {total} permissions reach secrets. Only you can know whether that is right."
        );
        warnings.insert(0, warning(severity, text));
    }
    Ok(Explained {
        grants,
        warnings,
        hosted,
    })
}

type Read<'a> = (&'a str, Place, Vec<&'a Ability>);

/// The name of the space that a node may keep. That permission stands alone, on a space as such
/// that is the signer's own.
fn hosted(places: &[Read<'_>], signer: &Did) -> Result<Option<String>, Error> {
    let is_host = |ability: &&Ability| ability.as_str() == HOST;
    if !places
        .iter()
        .any(|(_, _, abilities)| abilities.iter().any(is_host))
    {
        return Ok(None);
    }
    let [(text, place, abilities)] = places else {
        return Err(mixed());
    };
    if abilities.len() != 1 {
        return Err(mixed());
    }
    match &place.resource {
        Resource::Space(it)
            if it.service() == "space" && it.path().is_none() && it.space().owner() == signer =>
        {
            Ok(Some(it.space().name().to_owned()))
        }
        _ => Err(refuse(
            ErrorCode::SiweUnsupported,
            "hosting_resource",
            &format!(
                "{} is no space of yours that a node could keep.",
                quoted(text)
            ),
            "Tell the app's maker; nothing was signed.",
        )),
    }
}

/// A grant that includes an ability of the resource at `index` as well. Of two that say the same,
/// the first includes the second.
fn wider(places: &[Read<'_>], index: usize, ability: &Ability) -> Option<u32> {
    let (_, child, _) = places.get(index)?;
    let found = places
        .iter()
        .enumerate()
        .position(|(at, (_, base, abilities))| {
            let is_wider = |held: &Ability| {
                let is_mutual = base.resource.extends(&child.resource) && ability.covers(held);
                held.covers(ability) && (!is_mutual || (at, held) < (index, ability))
            };
            child.resource.extends(&base.resource) && abilities.iter().any(|held| is_wider(held))
        });
    found.and_then(|at| u32::try_from(at).ok())
}

fn unknown(ability: &Ability) -> String {
    format!("Unknown to this enclave: {}", quoted(ability.as_str()))
}

fn mixed() -> Error {
    refuse(
        ErrorCode::SiweUnsupported,
        "hosting_mixed",
        "This sign-in lets a node keep a space and hands out other permissions as well.",
        "Ask the app for two requests: one for the node, one for the permissions.",
    )
}

/// Warnings, each once.
#[derive(Default)]
struct Warnings {
    said: BTreeSet<String>,
    list: Vec<Warning>,
}

impl Warnings {
    fn add(&mut self, severity: Severity, text: impl Into<String>) {
        let text = text.into();
        if self.said.insert(text.clone()) {
            self.list.push(warning(severity, text));
        }
    }
}
