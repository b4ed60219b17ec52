//! Every enclave of several hosts, asked at once: a host that is silent, or refuses, or lists enclaves that
//! are, keeps nobody from asking the others.

use std::{panic::resume_unwind, thread, time::Instant};

use openkey_verifier::client::Host;

use crate::{
    args::Targets,
    session::{PATIENCE, Session},
    stop::Stop,
};

/// What came of one enclave, or of a host that did not list its own.
pub(crate) struct At<T> {
    /// Which one, for people.
    pub(crate) name: String,
    /// What came of it.
    pub(crate) outcome: Result<T, Stop>,
}

/// Does the same at every enclave that these hosts list, or at those with the given ids, each of which
/// must be there. Answers are in the order of the hosts and of their lists.
pub(crate) fn each<T: Send>(
    targets: &Targets,
    one: impl Fn(Session) -> Result<T, Stop> + Sync,
) -> Vec<At<T>> {
    let deadline = Instant::now() + PATIENCE;
    let mut all = Vec::new();
    let mut ids = Vec::new();
    for (found, listed) in at_once(&targets.hosts, |url| at_host(url, targets, deadline, &one)) {
        all.extend(found);
        ids.extend(listed);
    }
    for id in targets.enclaves.iter().filter(|id| !ids.contains(id)) {
        let stop = Stop::failed("no_enclave", format!("no host lists an enclave {id}"));
        all.push(At {
            name: id.clone(),
            outcome: Err(stop),
        });
    }
    all
}

/// The same for all of them at once, in their order.
pub(crate) fn at_once<I: Sync, T: Send>(items: &[I], one: impl Fn(&I) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let one = &one;
        let threads: Vec<_> = items
            .iter()
            .map(|item| scope.spawn(move || one(item)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    })
}

fn at_host<T: Send>(
    url: &str,
    targets: &Targets,
    deadline: Instant,
    one: &(impl Fn(Session) -> Result<T, Stop> + Sync),
) -> (Vec<At<T>>, Vec<String>) {
    let listed = Host::new(url)
        .map(|host| host.until(deadline))
        .and_then(|host| host.enclaves().map(|listed| (host, listed)));
    let (host, listed) = match listed {
        Ok((_, listed)) if listed.is_empty() => {
            let stop = Stop::failed("no_enclave", "the host lists no enclave");
            return (vec![at(url, Err(stop))], Vec::new());
        }
        Ok(known) => known,
        Err(error) => return (vec![at(url, Err(error.into()))], Vec::new()),
    };
    let ids = listed.iter().map(|listed| listed.id.clone()).collect();
    let wanted = |id| targets.enclaves.is_empty() || targets.enclaves.contains(id);
    let sessions: Vec<_> = listed
        .iter()
        .filter(|listed| wanted(&listed.id))
        .map(|listed| Session::of(&host, listed, deadline))
        .collect();
    let asked = at_once(&sessions, |session| {
        at(session.name(), one(session.until(deadline)))
    });
    (asked, ids)
}

fn at<T>(name: &str, outcome: Result<T, Stop>) -> At<T> {
    At {
        name: name.to_owned(),
        outcome,
    }
}
