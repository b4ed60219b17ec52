//! Stored delegations and revocations against what their tokens say.

use std::collections::BTreeSet;

use openkey_capability::chain::Delegation;
use openkey_capability::cid::Cid;
use openkey_capability::resource::Resource;

use super::rows::PAGE;
use super::{Checked, Finding, Part, Progress, UpkeepError};
use crate::allowance::Allowance;
use crate::authority::stored_token;
use crate::store::Store as _;
use crate::store::sqlite::{DelegationFound, Listing, RevocationFound, SqliteStore};

/// Tokens in memory at once; each may have 64 KiB.
const TOKENS: u32 = 100;

/// Reads every delegation and compares it with its token, and its lists with it.
pub(super) async fn delegations(
    store: &SqliteStore,
    checked: &mut Checked,
    progress: &dyn Progress,
) -> Result<(), UpkeepError> {
    let mut last = None;
    // of delegations that cannot be read nobody knows how often they should be listed
    let (mut listings, mut all_read) = (0, true);
    loop {
        let page = store
            .delegations_after(last.unwrap_or(i64::MIN), TOKENS)
            .await?;
        let Some(place) = page.last().map(|it| it.place) else {
            break;
        };
        last = Some(place);
        for found in page {
            checked.delegations += 1;
            match recorded(&found) {
                Ok(listing) => {
                    listings += (listing.parties.len() + listing.spaces.len()) as u64;
                    if !store.is_listed(listing).await? {
                        let problem = "it is missing in a list of delegations that it belongs in";
                        checked.find(about(&found, problem));
                    }
                }
                Err(problem) => {
                    all_read = false;
                    checked.find(about(&found, problem));
                }
            }
        }
        progress.at("delegations", checked.delegations);
    }
    // rows that came meanwhile are behind the last place
    let listed = store.listed(last.unwrap_or(i64::MIN)).await?;
    if all_read && listed > listings {
        let more = listed - listings;
        let problem =
            format!("lists of delegations have {more} rows that no delegation accounts for");
        checked.find(Finding::new(Part::Store, problem));
    }
    Ok(())
}

fn about(found: &DelegationFound, problem: &str) -> Finding {
    let cid = Cid::from_digest(found.cid).to_string();
    Finding::new(Part::Delegation, problem).key(&cid)
}

/// The lists that a delegation belongs in, if it is what is recorded.
fn recorded(found: &DelegationFound) -> Result<Listing, &'static str> {
    let delegation = read(&found.token).ok_or("its token is none, or its signature is invalid")?;
    if delegation.cid() != Cid::from_digest(found.cid) {
        return Err("its token is that of another delegation");
    }
    if *delegation.statement() != found.statement {
        return Err("the hash of what was signed is not that of its token");
    }
    let is_spelling = |(cid, token): &([u8; 32], Vec<u8>)| {
        read(token).is_some_and(|other| {
            other.cid() == Cid::from_digest(*cid) && *other.statement() == found.statement
        })
    };
    if !found.spellings.iter().all(is_spelling) {
        return Err("another spelling of its token is none");
    }
    Ok(listing(found.place, &delegation))
}

fn read(token: &[u8]) -> Option<Delegation> {
    let token = stored_token(token)?;
    token.verify().ok()?;
    token.delegation().ok()
}

/// As the store makes the rows when it accepts a delegation.
fn listing(place: i64, delegation: &Delegation) -> Listing {
    let resources = || delegation.capabilities().iter().map(|it| &it.resource);
    let mut parties: BTreeSet<(String, bool)> = resources()
        .filter_map(Resource::owner)
        .chain([delegation.delegator()])
        .map(|granter| (granter.as_str().to_owned(), false))
        .collect();
    parties.insert((delegation.delegatee().as_str().to_owned(), true));
    let spaces: BTreeSet<String> = resources()
        .filter_map(Resource::space)
        .map(ToString::to_string)
        .collect();
    Listing {
        place,
        issued_ms: delegation.issued_ms().unwrap_or(i64::MIN),
        parties: parties.into_iter().collect(),
        spaces: spaces.into_iter().collect(),
    }
}

/// Reads every revocation and compares it with its token.
pub(super) async fn revocations(
    store: &SqliteStore,
    checked: &mut Checked,
    progress: &dyn Progress,
) -> Result<(), UpkeepError> {
    let mut after = i64::MIN;
    loop {
        let page = store.revocations_after(after, TOKENS).await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = last.place;
        for found in page {
            checked.revocations += 1;
            if let Some(problem) = wrong(store, &found).await? {
                let target = hex::encode(found.target);
                checked.find(Finding::new(Part::Revocation, problem).key(&target));
            }
        }
        if checked.revocations.is_multiple_of(u64::from(PAGE)) {
            progress.at("revocations", checked.revocations);
        }
    }
}

/// What is not as recorded.
async fn wrong(
    store: &SqliteStore,
    found: &RevocationFound,
) -> Result<Option<&'static str>, UpkeepError> {
    let token = stored_token(&found.token).filter(|token| token.verify().is_ok());
    let Some(revocation) = token.and_then(|token| token.revocation().ok()) else {
        return Ok(Some("its token is none, or its signature is invalid"));
    };
    if revocation.revoker().as_str() != found.revoker {
        return Ok(Some("its token is signed by somebody else than recorded"));
    }
    let wanted = [revocation.target()];
    let tokens = store.tokens(&wanted, Allowance::any()).await?;
    let mut tokens = tokens.all()?;
    // one that is not as recorded is a finding of its own
    let target = tokens.pop().flatten().and_then(|token| read(&token));
    if target.is_none()
        && let Some(kept) = store.token_saying(&found.target).await?
        && names(&kept).contains(&revocation.target())
    {
        // revoked by the name of another token that says the same
        return Ok(None);
    }
    Ok(match target {
        None => Some("the delegation that it revokes is missing or cannot be read"),
        Some(target) if *target.statement() != found.target => {
            Some("its token revokes another delegation than recorded")
        }
        Some(_) => None,
    })
}

/// The names of other tokens that say what this one does.
fn names(token: &[u8]) -> Vec<Cid> {
    stored_token(token).map_or_else(Vec::new, |token| crate::delegation::names(&token))
}
