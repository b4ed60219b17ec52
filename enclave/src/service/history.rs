//! Histories in the host's store: writing entries, following a record's history back, and checking
//! that a record continues an earlier one.

use std::cmp::Ordering;

use openkey_protocol::{
    cbor,
    message::{AccountId, Error, ErrorCode, Hash32, KnownHead, MAX_GET, Record, RecordId, Write},
    store::RecordStore,
};
use serde::{Serialize, de::DeserializeOwned};

use super::{Enclave, effort::Payer, internal};
use crate::{
    chain::{Chain, Entry, Link},
    errors::refuse,
    event::EnclaveEvent,
    seal::{Kind, Name, SealError},
    versions::Seen,
};

/// The schema of history records.
const SCHEMA: u32 = 3;

/// How long before the last showing of a state a decision may be dated that continues it, in milliseconds.
///
/// What was shown as current at a time T is continued only by decisions dated later than T − `TOLERANCE`. So
/// a commit that the store kept back, whatever it said of it, cannot be revealed once somebody has looked
/// and did not see it. Zero would be the whole rule if there were one clock and if deciding, writing and
/// showing took no time. There are several enclaves, whose clocks differ by seconds at most, and a decision
/// is dated before it is written: another enclave may show the older state meanwhile. A request ends within
/// half a minute. Two minutes are far more than both together, so that two devices of one owner never lock
/// each other out at two enclaves, and little enough to wait for.
pub const TOLERANCE: u64 = 120_000;

/// Who has a history read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// Whoever has shown that they may ask about the account. The account pays.
    Owner,
    /// Whoever knows the account's receipt, or whose passkey was removed from it. They pay beside the account.
    Beside,
    /// Whoever has shown nothing. Strangers pay.
    Stranger,
    /// The same, as a part of what was not refused.
    Admitted,
}

/// How the entries that are read are paid for.
#[derive(Clone, Copy, Debug)]
enum Payment {
    /// Not at all: what the deployment keeps is read at a bounded rate, whoever asks.
    Free,
    /// By a budget that is looked at before entries are read.
    Checked(Payer),
    /// By a budget that was looked at before the request began.
    Admitted(Payer),
}

/// Whose history.
#[derive(Clone, Copy, Debug)]
pub(super) struct History<'a> {
    kind: Kind,
    owner: &'a [u8],
    payment: Payment,
}

impl<'a> History<'a> {
    pub(super) const fn of_account(account: &'a AccountId, reader: Reader) -> Self {
        Self {
            kind: Kind::History,
            owner: &account.0,
            payment: match reader {
                Reader::Owner => Payment::Checked(Payer::Account(*account)),
                Reader::Beside => Payment::Checked(Payer::Beside(*account)),
                Reader::Stranger => Payment::Checked(Payer::Strangers),
                Reader::Admitted => Payment::Admitted(Payer::Strangers),
            },
        }
    }

    /// The history of a record that the deployment keeps once.
    pub(super) const fn of_kept(kind: Kind) -> History<'static> {
        History {
            kind: Kind::KeptHistory,
            owner: kind.label(),
            payment: Payment::Free,
        }
    }

    const fn name(&self, id: &'a RecordId) -> Name<'a> {
        Name {
            kind: self.kind,
            id: &id.0,
            owner: self.owner,
        }
    }
}

/// A state of a record: its version and the hash of the sealed bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct State {
    pub(super) version: u64,
    pub(super) hash: Hash32,
    /// The newest entry at that version, where it is known.
    entry: Option<Hash32>,
    /// The newest time at which it was shown as current, where it is known.
    shown_at: Option<u64>,
}

impl State {
    pub(super) const fn new(version: u64, hash: Hash32) -> Self {
        Self {
            version,
            hash,
            entry: None,
            shown_at: None,
        }
    }

    /// What this boot has seen.
    const fn of_seen(seen: &Seen) -> Self {
        Self {
            shown_at: Some(seen.shown_at),
            ..Self::new(seen.version, seen.hash)
        }
    }

    /// What a client holds.
    const fn of_head(known: &KnownHead) -> Self {
        Self {
            version: known.head.version,
            hash: known.head.hash,
            entry: Some(known.head.entry),
            shown_at: Some(known.shown_at),
        }
    }
}

/// Whether a decision of this time cannot continue what was shown as current at another.
pub(super) const fn is_late(decided_at: u64, shown_at: u64) -> bool {
    shown_at > 0 && decided_at <= shown_at.saturating_sub(TOLERANCE)
}

/// Who knows an earlier state. An event of an attack by the store needs the enclave's own word:
/// anybody can make up a head, and so a client's word makes another event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// This boot has seen it.
    Enclave,
    /// A client says so, who may be anybody.
    Client,
}

impl<S: RecordStore> Enclave<S> {
    /// Refuses a record that does not continue a state that this boot has seen.
    pub(super) async fn continues_seen<E>(
        &self,
        history: History<'_>,
        chain: &Chain,
        now: &State,
        seen: Seen,
    ) -> Result<(), Error>
    where
        E: Entry + DeserializeOwned,
    {
        let seen = State::of_seen(&seen);
        self.continues::<E>(history, chain, now, &seen, Word::Enclave)
            .await
    }

    /// Refuses a record that does not continue the head that a client holds.
    pub(super) async fn continues_head<E>(
        &self,
        history: History<'_>,
        chain: &Chain,
        now: &State,
        known: &KnownHead,
    ) -> Result<(), Error>
    where
        E: Entry + DeserializeOwned,
    {
        let held = State::of_head(known);
        self.continues::<E>(history, chain, now, &held, Word::Client)
            .await
    }

    /// Refuses a record that does not continue a state that is known. `now` is the record's own state
    /// and `chain` its history.
    ///
    /// Reads the store only if the record is newer: at most three times the binary digits of the
    /// history's length. Whoever writes another record of a version, or leaves one out, cannot make its
    /// successors continue the one that was known, because entry `n` names the hash of version `n`.
    async fn continues<E>(
        &self,
        history: History<'_>,
        chain: &Chain,
        now: &State,
        known: &State,
        word: Word,
    ) -> Result<(), Error>
    where
        E: Entry + DeserializeOwned,
    {
        let (record, entry, decided_at) = match now.version.cmp(&known.version) {
            Ordering::Less => return Err(self.rolled_back_by(word)),
            Ordering::Equal => (now.hash, chain.newest(), None),
            Ordering::Greater => {
                let path = chain.path(known.version);
                let links = self.follow::<E>(history, chain, &path).await?;
                let link = links.last().ok_or_else(|| internal(()))?;
                let entry = &link.entry;
                (entry.record(), entry.previous(), Some(entry.at()))
            }
        };
        if record != known.hash || known.entry.is_some_and(|known| known != entry) {
            return Err(self.forked_by(word));
        }
        // Later decisions are dated no earlier, so this one speaks for all of them.
        if let Some((decided_at, shown_at)) = decided_at.zip(known.shown_at)
            && is_late(decided_at, shown_at)
        {
            return Err(self.late(word));
        }
        Ok(())
    }

    /// Reads entries of a record's history: the first must be one of the chain's landmarks, each other
    /// one that the entry before it names. What is returned belongs to this chain and no other. Whoever has it
    /// read pays for it.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::TooMany`] if whoever pays has nothing left, before anything is read.
    pub(super) async fn follow<E>(
        &self,
        history: History<'_>,
        chain: &Chain,
        sequences: &[u64],
    ) -> Result<Vec<Link<E>>, Error>
    where
        E: Entry + DeserializeOwned,
    {
        if let Payment::Checked(payer) = history.payment {
            self.effort.check(payer, self.platform.clock.now())?;
        }
        let mut links: Vec<Link<E>> = Vec::with_capacity(sequences.len());
        for stretch in sequences.chunks(MAX_GET) {
            let stretch = self.links::<E>(history, stretch).await?;
            self.paid(history, || {
                for link in stretch {
                    // An entry of another history of this record, or a sequence that nothing names.
                    if !chain.leads_to(links.last(), &link)? {
                        return Err(self.rolled_back());
                    }
                    links.push(link);
                }
                Ok(())
            })?;
        }
        Ok(links)
    }

    /// Does what whoever has a history read pays for.
    fn paid<T>(&self, history: History<'_>, work: impl FnOnce() -> T) -> T {
        match history.payment {
            Payment::Checked(payer) | Payment::Admitted(payer) => {
                self.effort.work(payer, self.platform.clock.now(), work)
            }
            Payment::Free => work(),
        }
    }

    /// Reads links by their sequence numbers, at most [`MAX_GET`] and all of which must exist. Whoever has them
    /// read pays, and is not refused here.
    pub(super) async fn links<E>(
        &self,
        history: History<'_>,
        sequences: &[u64],
    ) -> Result<Vec<Link<E>>, Error>
    where
        E: Entry + DeserializeOwned,
    {
        let id = |sequence: &u64| {
            self.sealer
                .record_id(history.kind, history.owner, *sequence)
        };
        let ids: Vec<RecordId> = sequences.iter().map(id).collect();
        let records = self
            .store
            .get(ids.clone())
            .await
            .map_err(|_| self.store_failed())?;
        if records.len() != ids.len() {
            return Err(self.store_failed());
        }
        let records = records.into_iter().zip(&ids).zip(sequences);
        self.paid(history, || {
            let opened = records.map(|((record, id), sequence)| {
                self.open_link(&history.name(id), record, *sequence)
            });
            opened.collect()
        })
    }

    fn open_link<E>(
        &self,
        name: &Name<'_>,
        record: Option<Record>,
        sequence: u64,
    ) -> Result<Link<E>, Error>
    where
        E: Entry + DeserializeOwned,
    {
        // The record says that this entry exists: the store hides it.
        let record = record.ok_or_else(|| self.rolled_back())?;
        let opened = self
            .sealer
            .open(name, record.blob.as_slice())
            .map_err(|error| self.unopened(error))?;
        if opened.schema != SCHEMA {
            return Err(self.unopened(SealError::OtherSchema(opened.schema)));
        }
        let link: Link<E> =
            cbor::decode(&opened.plaintext).map_err(|_| self.unopened(SealError::Corrupt))?;
        if opened.version != sequence || link.entry.sequence() != sequence {
            return Err(self.unopened(SealError::Corrupt));
        }
        Ok(link)
    }

    /// The write that adds an entry: it must not exist.
    pub(super) fn seal_link<E>(&self, history: History<'_>, link: &Link<E>) -> Result<Write, Error>
    where
        E: Entry + Serialize,
    {
        let sequence = link.entry.sequence();
        let id = self.sealer.record_id(history.kind, history.owner, sequence);
        let plaintext = cbor::encode(link).map_err(internal)?;
        let nonce = self.platform.entropy.array();
        let blob = self
            .sealer
            .seal(&history.name(&id), SCHEMA, sequence, &nonce, &plaintext)
            .map_err(internal)?;
        Ok(Write {
            id,
            expected: None,
            blob: blob.into(),
        })
    }

    /// Refuses a record that is older than what this boot has seen, or hidden from it.
    pub(super) fn rolled_back(&self) -> Error {
        self.rolled_back_by(Word::Enclave)
    }

    /// Refuses a record of another history than what this boot has seen.
    pub(super) fn forked(&self) -> Error {
        self.forked_by(Word::Enclave)
    }

    pub(super) fn rolled_back_by(&self, word: Word) -> Error {
        self.discontinued(word, EnclaveEvent::RolledBack);
        refuse(ErrorCode::RolledBack)
    }

    pub(super) fn forked_by(&self, word: Word) -> Error {
        self.discontinued(word, EnclaveEvent::Forked);
        refuse(ErrorCode::Forked)
    }

    /// Refuses what continues a known state with a decision that should have been there when the state was
    /// last shown.
    pub(super) fn late(&self, word: Word) -> Error {
        Error {
            message: "The store shows a decision that is older than the last look at a state without it: \
                      the store had kept the decision back."
                .to_owned(),
            ..self.forked_by(word)
        }
    }

    fn discontinued(&self, word: Word, seen: EnclaveEvent) {
        self.platform.events.record(match word {
            Word::Enclave => seen,
            Word::Client => EnclaveEvent::HeadNotContinued,
        });
    }
}
