//! Asking an enclave which successors wait.

use openkey_attestation::{Policy, UnixMillis, Verifier};
use openkey_protocol::message::{Request, Response, RootStatus, UpgradeStatus};

use super::{
    Unaccepted, ask,
    output::{Table, foreign, rfc3339},
    source,
};
use crate::{
    answer::AnswerError,
    client::{Client, ClientError},
    evidence::Fresh,
    statement::StatementError,
    successors::{self, Successors, SuccessorsDiffer, Withdrawn},
};

/// Which successors wait at an enclave that gave this evidence. The list comes with a status that the
/// same boot signed for this very question, and is held to the hash in the evidence. Gives the evidence
/// back, or newer one: between the two answers the list may change, or the enclave start again, so both
/// are judged once more, with new evidence.
///
/// # Errors
///
/// [`Unaccepted`]; `successors_differ` if the status has another list than the evidence names.
pub fn ask_successors(
    client: &Client,
    verifier: &Verifier,
    policy: &Policy,
    fresh: Fresh,
) -> Result<(Fresh, Successors), Unaccepted> {
    twice(client, verifier, policy, fresh, |fresh| {
        // Where the evidence says it all, the status is not asked.
        match successors::without_list(fresh.binding()) {
            Some(known) => Ok(Ok(known)),
            None => listed(client, fresh, |root| {
                successors::check(fresh.binding(), &root.upgrades)
            }),
        }
    })
}

/// As [`ask_withdrawn`], for whoever looks on: the status is asked only where the evidence names a list that
/// is not empty. So an enclave that names none of either is not asked whether its root key went to a
/// successor.
///
/// # Errors
///
/// As [`ask_withdrawn`].
pub fn ask_lists(
    client: &Client,
    verifier: &Verifier,
    policy: &Policy,
    fresh: Fresh,
) -> Result<(Fresh, (Successors, Withdrawn)), Unaccepted> {
    twice(client, verifier, policy, fresh, |fresh| {
        let waiting = successors::without_list(fresh.binding());
        match waiting.zip(successors::without_withdrawn(fresh.binding())) {
            Some(known) => Ok(Ok(known)),
            None => both(client, fresh),
        }
    })
}

/// As [`ask_successors`], with the manifests that this boot knows as withdrawn;
/// [`Withdrawn::HandedOver`] if its root key went to a successor.
///
/// # Errors
///
/// [`Unaccepted`]; `successors_differ` if the status has other lists than the evidence names.
pub fn ask_withdrawn(
    client: &Client,
    verifier: &Verifier,
    policy: &Policy,
    fresh: Fresh,
) -> Result<(Fresh, (Successors, Withdrawn)), Unaccepted> {
    twice(client, verifier, policy, fresh, |fresh| both(client, fresh))
}

fn both(client: &Client, fresh: &Fresh) -> Once<(Successors, Withdrawn)> {
    listed(client, fresh, |root| {
        let waiting = successors::check(fresh.binding(), &root.upgrades)?;
        let withdrawn = successors::check_withdrawn(fresh.binding(), root.state, &root.withdrawn)?;
        Ok((waiting, withdrawn))
    })
}

/// The inner error is one that newer evidence may explain.
type Once<T> = Result<Result<T, Unaccepted>, Unaccepted>;

fn twice<T>(
    client: &Client,
    verifier: &Verifier,
    policy: &Policy,
    fresh: Fresh,
    once: impl Fn(&Fresh) -> Once<T>,
) -> Result<(Fresh, T), Unaccepted> {
    if let Ok(known) = once(&fresh)? {
        return Ok((fresh, known));
    }
    let fresh = ask(client, verifier, policy)?;
    let known = once(&fresh)??;
    Ok((fresh, known))
}

/// Asks for the status and holds its lists to the evidence.
fn listed<T>(
    client: &Client,
    fresh: &Fresh,
    check: impl Fn(&RootStatus) -> Result<T, SuccessorsDiffer>,
) -> Once<T> {
    let unaccepted = |error: ClientError| Unaccepted {
        rule: error.rule(),
        message: error.to_string(),
        judged: error.is_answer(),
    };
    let replied = client.ask(&Request::Status).map_err(unaccepted)?;
    let asked = replied.asked(source::now()?.0);
    match replied.open(fresh.identity(), &asked) {
        Ok(Response::Status(status)) => {
            let known = check(&status.root);
            Ok(known.map_err(|error| Unaccepted {
                rule: error.rule(),
                message: error.to_string(),
                judged: true,
            }))
        }
        Ok(_) => Err(unaccepted(ClientError::Answer("not one to this request"))),
        // By another boot, perhaps.
        Err(error @ ClientError::Unproven(AnswerError::Statement(StatementError::Signature))) => {
            Ok(Err(unaccepted(error)))
        }
        Err(error) => Err(unaccepted(error)),
    }
}

/// The rows of what is known.
pub fn list_rows(table: &mut Table, successors: &Successors, withdrawn: &Withdrawn) {
    if *withdrawn == Withdrawn::HandedOver {
        table.row(
            "root key",
            "HANDED OVER to a successor: this enclave serves nobody any more, and nothing waits here",
        );
        return;
    }
    successor_rows(table, successors);
    withdrawn_rows(table, withdrawn);
}

/// The rows of the successors that wait at an enclave.
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

/// The rows of what is known as withdrawn; none where nothing is.
fn withdrawn_rows(table: &mut Table, known: &Withdrawn) {
    if let Withdrawn::Listed(list) = known {
        for manifest in list {
            table.row("withdrawn", manifest.to_string());
        }
    }
}

/// The row of one pending successor.
pub fn successor_row(table: &mut Table, one: &UpgradeStatus) {
    let time = |ms| rfc3339(UnixMillis(ms));
    table.row(
        "successor",
        format!(
            "{} (epoch {}), announced {}, allowed from {}, {} of {} consents",
            foreign(&one.release),
            one.epoch,
            time(one.announced_at),
            time(one.allowed_from),
            one.consents.len(),
            one.consents_needed,
        ),
    );
    table.row("  manifest", one.manifest.to_string());
}
