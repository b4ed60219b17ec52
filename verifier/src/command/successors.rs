//! Asking an enclave which successors wait.

use openkey_attestation::{Policy, UnixMillis, Verifier};
use openkey_protocol::message::{Request, Response, UpgradeStatus};

use super::{
    Unaccepted, ask,
    output::{Table, rfc3339},
};
use crate::{
    client::{Client, ClientError},
    evidence::Fresh,
    successors::{self, Successors, SuccessorsDiffer},
};

/// Which successors wait at an enclave that gave this evidence. The list comes with the status, which
/// is the host's word, and is held to the evidence. Gives the evidence back, or newer one: the list
/// may change between the two answers, so a mismatch is judged once more, with new evidence.
///
/// # Errors
///
/// [`Unaccepted`]; `successors_differ` if the host shows another list than the enclave vouches for.
pub fn ask_successors(
    client: &Client,
    verifier: &Verifier,
    policy: &Policy,
    fresh: Fresh,
) -> Result<(Fresh, Successors), Unaccepted> {
    if let Ok(known) = once(client, &fresh)? {
        return Ok((fresh, known));
    }
    let fresh = ask(client, verifier, policy)?;
    match once(client, &fresh)? {
        Ok(known) => Ok((fresh, known)),
        Err(error) => Err(Unaccepted {
            rule: error.rule(),
            message: error.to_string(),
            judged: true,
        }),
    }
}

fn once(
    client: &Client,
    fresh: &Fresh,
) -> Result<Result<Successors, SuccessorsDiffer>, Unaccepted> {
    // Where the evidence says it all, the status is not asked.
    if let Some(known) = successors::without_list(fresh.binding()) {
        return Ok(Ok(known));
    }
    let not_judged = |error: ClientError| Unaccepted {
        rule: error.rule(),
        message: error.to_string(),
        judged: matches!(error, ClientError::Answer(_) | ClientError::TooLong(_)),
    };
    match client.call(&Request::Status).map_err(not_judged)? {
        Response::Status(status) => Ok(successors::check(fresh.binding(), &status.root.upgrades)),
        _ => Err(not_judged(ClientError::Answer("not one to this request"))),
    }
}

/// The rows of what is known.
pub fn successor_rows(table: &mut Table, known: &Successors) {
    match known {
        Successors::NotStated => {
            table.row("successors", "not stated: there is no root key here yet")
        }
        Successors::Unknown => table.row(
            "successors",
            "UNKNOWN: the store hides the list from the enclave, which hands nothing over",
        ),
        Successors::Listed(list) if list.is_empty() => {
            table.row("successors", "none waits for the root key");
        }
        Successors::Listed(list) => {
            for one in list {
                successor_row(table, one);
            }
        }
    }
}

/// The row of one pending successor.
pub fn successor_row(table: &mut Table, one: &UpgradeStatus) {
    let time = |ms| rfc3339(UnixMillis(ms));
    table.row(
        "successor",
        format!(
            "{} (epoch {}), announced {}, delay until {}, {} of {} consents",
            one.release,
            one.epoch,
            time(one.announced_at),
            time(one.allowed_from),
            one.consents.len(),
            one.consents_needed,
        ),
    );
    table.row("  manifest", one.manifest.to_string());
}
