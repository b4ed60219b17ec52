//! `openkey-sim load`: real clients, as many signatures as there is room for.
//!
//! Every client is a [`Person`] with a software passkey: it verifies evidence, receipts, prompts and
//! heads, answers with its device, and recovers the address of each signature. What fails is tried
//! again and counted by kind; nothing is counted twice, and nothing before it is in the file of
//! acknowledgements, if there is one. It survives a kill of either process.

pub(crate) mod acks;
pub(crate) mod cpu;
mod report;
pub(crate) mod until;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use openkey_protocol::message::{AccountId, Bytes, UserHandle};
use openkey_verifier::client::ClientError;

pub use self::acks::AcksError;
use self::acks::{Ack, AckFile, Acknowledged};
pub(crate) use self::report::percentile_ms;
pub use self::report::{ReadBack, Report};
pub use self::until::Stop;
use self::until::{GIVE_UP, PAUSE};
use crate::authenticator::Passkey;
use crate::person::{Person, PersonError, Site};

/// Why a load run ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file of acknowledgements.
    #[error(transparent)]
    Acks(#[from] AcksError),
    /// Nothing has worked for a minute.
    #[error("nothing has worked for {GIVE_UP:?}: {0}")]
    GaveUp(PersonError),
    /// host-proxy limits the requests of this address.
    #[error(
        "host-proxy limits the requests of one address (status 429), and all clients of a load run have one: start \
         the simulation with `openkey-sim up --rate-limit off`"
    )]
    RateLimited,
    /// A client broke, which is a bug.
    #[error("a client broke")]
    Broken,
}

/// What to do.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Accounts to sign up.
    pub accounts: usize,
    /// Clients at once.
    pub connections: usize,
    /// How long to sign.
    pub duration: Duration,
    /// Ends it earlier, with what was done until then.
    pub stop: Stop,
    /// Where acknowledgements are written before they count.
    pub acks: Option<PathBuf>,
}

/// The processes whose CPU is reported, by name, at the time of asking.
pub type Processes<'a> = &'a (dyn Fn() -> Vec<(String, u32)> + Sync);

/// Signs up accounts, then signs with them.
///
/// # Errors
///
/// [`LoadError`].
pub fn run(
    site: &Arc<Site>,
    options: &LoadOptions,
    processes: Processes<'_>,
) -> Result<Report, LoadError> {
    let acks = AckFile::create(options.acks.as_deref())?;
    let began = Instant::now();
    let next = AtomicUsize::new(0);
    let crowds = each(options.connections, |_| {
        let mut crowd = Vec::new();
        while !options.stop.is_asked() && next.fetch_add(1, Ordering::Relaxed) < options.accounts {
            crowd.push(options.stop.at_error(sign_up(site, &acks))?);
        }
        Ok(crowd)
    })?;
    let sign_up_seconds = began.elapsed().as_secs_f64();
    let accounts = crowds.iter().map(Vec::len).sum();

    let before = cpu::used_us(processes().into_iter());
    let began = Instant::now();
    let crowds: Vec<Mutex<Vec<Person>>> = crowds.into_iter().map(Mutex::new).collect();
    let tallies = each(crowds.len(), |client| {
        let Some(crowd) = crowds.get(client) else {
            return Ok(Tally::default());
        };
        let mut crowd = crowd.lock().unwrap_or_else(PoisonError::into_inner);
        let goes_on = || options.stop.goes_on(began + options.duration);
        options
            .stop
            .at_error(sign(client, &mut crowd, goes_on, &acks))
    })?;
    let seconds = began.elapsed().as_secs_f64();
    let after = cpu::used_us(processes().into_iter());

    let mut all = Tally::default();
    for tally in tallies {
        all.add(tally);
    }
    all.took_us.sort_unstable();
    let signatures = all.took_us.len();
    let requests = all.requests;
    Ok(Report {
        accounts,
        sign_up_seconds,
        signatures,
        seconds,
        signatures_per_second: signatures as f64 / seconds,
        p50_ms: percentile_ms(&all.took_us, 0.5),
        p99_ms: percentile_ms(&all.took_us, 0.99),
        requests,
        cpu_us_per_request: after
            .into_iter()
            .filter_map(|(process, used)| {
                let used = used - before.get(&process)?;
                Some((process.0, used / requests.max(1) as f64))
            })
            .collect(),
        errors: all.errors,
    })
}

/// Reads every line of a file of acknowledgements back through the public API.
///
/// # Errors
///
/// [`LoadError`] if the file is broken or nobody answers. What is missing is no error but a finding.
pub fn read_back(
    site: &Arc<Site>,
    file: &Path,
    rp_id: &str,
    connections: usize,
) -> Result<ReadBack, LoadError> {
    let accounts: Vec<(String, Acknowledged)> = acks::read(file)?.into_iter().collect();
    let next = AtomicUsize::new(0);
    let missing = each(connections, |_| {
        let mut missing = Vec::new();
        while let Some((id, acknowledged)) = accounts.get(next.fetch_add(1, Ordering::Relaxed)) {
            missing.extend(find(site, id, acknowledged, rp_id)?);
        }
        Ok(missing)
    })?;
    Ok(ReadBack {
        accounts: accounts.len(),
        signatures: accounts.iter().map(|(_, it)| it.signatures.len()).sum(),
        missing: missing.into_iter().flatten().collect(),
    })
}

/// Runs as many threads; the first error ends the run.
fn each<T: Send>(
    threads: usize,
    work: impl Fn(usize) -> Result<T, LoadError> + Sync,
) -> Result<Vec<T>, LoadError> {
    let work = &work;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads.max(1))
            .map(|number| scope.spawn(move || work(number)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or(Err(LoadError::Broken)))
            .collect()
    })
}

fn sign_up(site: &Arc<Site>, acks: &AckFile) -> Result<Person, LoadError> {
    // A sign-up that was not acknowledged begins anew: a half-made account signs nothing.
    let attempt = || {
        let mut person = Person::new(Arc::clone(site));
        person.sign_up("Load")?;
        Ok(person)
    };
    let person = until::persist(|error| !is_limited(error), attempt).map_err(ended)?;
    let passkey = person.device.passkeys().first().ok_or(LoadError::Broken)?;
    let key = person.keys().first().ok_or(LoadError::Broken)?;
    let account = person.account_id().map_err(LoadError::GaveUp)?;
    let user_handle = person.user_handle().map_err(LoadError::GaveUp)?;
    acks.write(&Ack::Account {
        account: account.to_string(),
        user_handle: user_handle.to_string(),
        address: key.address.to_string(),
        passkey: hex::encode(passkey.id()),
        key: hex::encode(passkey.export().map_err(|_| LoadError::Broken)?),
    })?;
    Ok(person)
}

/// Tries until it works, or nothing has worked for a minute.
fn persist<T>(attempt: impl FnMut() -> Result<T, PersonError>) -> Result<T, LoadError> {
    until::persist(|_| true, attempt).map_err(LoadError::GaveUp)
}

/// Whether host-proxy limits the requests of this address. What is measured then is the limit.
const fn is_limited(error: &PersonError) -> bool {
    matches!(
        error,
        PersonError::Client(ClientError::Host { status: 429, .. })
    )
}

/// Why a client stops.
fn ended(error: PersonError) -> LoadError {
    if is_limited(&error) {
        LoadError::RateLimited
    } else {
        LoadError::GaveUp(error)
    }
}

/// What one client has seen.
#[derive(Default)]
struct Tally {
    took_us: Vec<u64>,
    requests: usize,
    errors: BTreeMap<String, usize>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.took_us.extend(other.took_us);
        self.requests += other.requests;
        for (kind, count) in other.errors {
            *self.errors.entry(kind).or_default() += count;
        }
    }
}

fn sign(
    client: usize,
    crowd: &mut [Person],
    goes_on: impl Fn() -> bool,
    acks: &AckFile,
) -> Result<Tally, LoadError> {
    let mut tally = Tally::default();
    let mut worked = Instant::now();
    let people = crowd.len();
    for number in 0_usize.. {
        let began = Instant::now();
        let Some(person) = crowd.get_mut(number % people.max(1)) else {
            break;
        };
        if !goes_on() {
            break;
        }
        match person.sign_text(&format!("message {number} of client {client}")) {
            Ok(signed) => {
                let account = person.account_id().map_err(LoadError::GaveUp)?;
                acks.write(&Ack::Signature {
                    account: account.to_string(),
                    digest: signed.digest.to_string(),
                    signature: hex::encode(signed.signature),
                })?;
                worked = Instant::now();
                let took = worked.duration_since(began).as_micros();
                tally.took_us.push(u64::try_from(took).unwrap_or(u64::MAX));
                tally.requests += 2;
            }
            Err(error) => {
                *tally.errors.entry(kind(&error)).or_default() += 1;
                tally.requests += 1;
                if is_limited(&error) || worked.elapsed() > GIVE_UP {
                    return Err(ended(error));
                }
                thread::sleep(PAUSE);
            }
        }
    }
    Ok(tally)
}

/// One word for a failure.
fn kind(error: &PersonError) -> String {
    if let Some(code) = error.refusal() {
        return serde_json::to_value(code)
            .ok()
            .and_then(|code| code.as_str().map(str::to_owned))
            .unwrap_or_default();
    }
    match error {
        PersonError::Client(ClientError::Host { status, .. }) => format!("status_{status}"),
        PersonError::Client(error) => error.rule().to_owned(),
        PersonError::Evidence(error) => error.rule().to_owned(),
        PersonError::Answer(error) => error.rule().to_owned(),
        PersonError::Receipt(error) => error.rule().to_owned(),
        other => other.to_string(),
    }
}

/// What of one account's acknowledgements is not there.
fn find(
    site: &Arc<Site>,
    id: &str,
    acknowledged: &Acknowledged,
    rp_id: &str,
) -> Result<Vec<String>, LoadError> {
    let Ok(account) = id.parse::<AccountId>() else {
        return Ok(vec![format!("account {id}: not an account id")]);
    };
    let Ok(user_handle) = acknowledged.user_handle.parse::<UserHandle>() else {
        return Ok(vec![format!("account {id}: no user handle")]);
    };
    let mut person = Person::new(Arc::clone(site));
    let passkey = Passkey::import(
        &acknowledged.passkey,
        rp_id,
        user_handle.as_bytes(),
        &acknowledged.key,
    );
    person.device.add(passkey.map_err(|_| LoadError::Broken)?);
    let found = persist(|| {
        let looked = person.sign_in().and_then(|_| {
            let view = person.account()?;
            Ok((view, person.history()?))
        });
        match looked {
            Ok(found) => Ok(Ok(found)),
            // Refused is an answer; no answer is none.
            Err(error) if error.refusal().is_some_and(is_final) => Ok(Err(error)),
            Err(error) => Err(error),
        }
    })?;
    let (view, history) = match found {
        Ok(found) => found,
        Err(error) => return Ok(vec![format!("account {id}: {error}")]),
    };
    let mut missing = Vec::new();
    if view.account != account {
        missing.push(format!(
            "account {id}: {} stands in its place",
            view.account
        ));
    }
    let has_key = view
        .keys
        .iter()
        .any(|key| key.address.to_string() == acknowledged.address);
    if !has_key {
        missing.push(format!("account {id}: the key {}", acknowledged.address));
    }
    for (digest, signature) in &acknowledged.signatures {
        let there = history.iter().any(|entry| {
            let released = entry.signature.as_ref().map(Bytes::as_slice);
            entry.digest.to_string() == *digest
                && released.map(hex::encode).as_deref() == Some(signature)
        });
        if !there {
            missing.push(format!("account {id}: the signature over {digest}"));
        }
    }
    Ok(missing)
}

/// Refusals that trying again does not change.
const fn is_final(code: openkey_protocol::message::ErrorCode) -> bool {
    use openkey_protocol::message::ErrorCode;
    !matches!(
        code,
        ErrorCode::TooMany
            | ErrorCode::Busy
            | ErrorCode::Conflict
            | ErrorCode::OutcomeUnknown
            | ErrorCode::Unavailable
            | ErrorCode::Internal
    )
}
