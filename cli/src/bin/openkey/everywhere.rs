//! Every enclave of several hosts, asked at once: a host that is silent, or refuses, or lists enclaves that
//! are, keeps nobody from asking the others.

use std::{
    collections::BTreeSet,
    panic::resume_unwind,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Instant,
};

use openkey_verifier::{client::Host, command::Progress};

use crate::{args::Targets, session::Session, stop::Stop};

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
    let progress = targets.time.begin();
    let deadline = progress.deadline();
    let mut all = Vec::new();
    let mut ids = Vec::new();
    let awaited = Awaited::new(targets.hosts.iter().map(String::as_str));
    let asked = progress.during(
        || awaited.words(),
        || {
            at_once(&targets.hosts, |url| {
                at_host(url, targets, deadline, &awaited, &one)
            })
        },
    );
    for (found, listed) in asked {
        all.extend(found);
        ids.extend(listed);
    }
    for id in targets.enclaves.iter().filter(|id| !ids.contains(id)) {
        let known = match ids.join(", ") {
            known if known.is_empty() => String::new(),
            known => format!("; listed are {known}"),
        };
        let stop = Stop::failed(
            "no_enclave",
            format!("no host lists an enclave {id}{known}"),
        );
        all.push(At {
            name: id.clone(),
            outcome: Err(stop),
        });
    }
    all
}

/// Does the same for all of these at once, in their order; while it takes long, stderr names those that have not
/// answered.
pub(crate) fn in_time<I: Sync, T: Send>(
    progress: &Progress,
    items: &[I],
    name: impl Fn(&I) -> &str + Sync,
    one: impl Fn(&I) -> T + Sync,
) -> Vec<T> {
    let awaited = Awaited::new(items.iter().map(&name));
    let each = |item: &I| {
        let done = one(item);
        awaited.has(name(item));
        done
    };
    progress.during(|| awaited.words(), || at_once(items, each))
}

/// Who has not answered yet.
struct Awaited(Mutex<BTreeSet<String>>);

impl Awaited {
    fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let names = names.filter(|name| !name.is_empty());
        Self(Mutex::new(names.map(str::to_owned).collect()))
    }

    /// Awaited are these, too.
    fn more<'a>(&self, names: impl Iterator<Item = &'a str>) {
        self.lock().extend(names.map(str::to_owned));
    }

    /// This one has answered.
    fn has(&self, name: &str) {
        self.lock().remove(name);
    }

    /// For people.
    fn words(&self) -> String {
        let names: Vec<_> = self.lock().iter().cloned().collect();
        format!("the answer of {}", names.join(", "))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The same for all of them at once, in their order.
fn at_once<I: Sync, T: Send>(items: &[I], one: impl Fn(&I) -> T + Sync) -> Vec<T> {
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
    awaited: &Awaited,
    one: &(impl Fn(Session) -> Result<T, Stop> + Sync),
) -> (Vec<At<T>>, Vec<String>) {
    let listed = Host::new(url)
        .map(|host| host.until(deadline))
        .and_then(|host| host.enclaves().map(|listed| (host, listed)));
    if listed.is_err() {
        awaited.has(url);
    }
    let (host, listed) = match listed {
        Ok((_, listed)) if listed.is_empty() => {
            awaited.has(url);
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
    awaited.more(sessions.iter().map(Session::name));
    awaited.has(url);
    let asked = at_once(&sessions, |session| {
        let done = one(session.until(deadline));
        awaited.has(session.name());
        at(session.name(), done)
    });
    (asked, ids)
}

fn at<T>(name: &str, outcome: Result<T, Stop>) -> At<T> {
    At {
        name: name.to_owned(),
        outcome,
    }
}
