//! Bodies of some size: the store agrees to them before they are read, and they leave nothing unless they
//! become values.

use std::sync::Arc;

use axum::body::BodyDataStream;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};

use super::Call;
use super::put::{in_turn, too_large, write};
use super::staged::Staged;
use crate::asking;
use crate::blobs::{BlobWriter, new_name};
use crate::body::FREE;
use crate::bound_body::failed;
use crate::error::Error;
use crate::store::{
    Begin, Change, Condition, Content, Outcome, Reservation, Room, StoreError, StoredValue,
};

/// Values up to this many bytes are in the store itself; larger ones are blobs.
const INLINE: usize = 64 * 1024;
/// Bytes of memory for one of a small value, until it is stored.
const EACH_BYTE: usize = 2;
/// Bytes of the values of one form that are in memory together. Of those that come then, only the least are.
const TOGETHER: usize = 4 * 1024 * 1024;
/// The least.
const LEAST: usize = 4 * 1024;
/// Bytes that are reserved at once for a body that does not say its length.
const STEP: u64 = 1024 * 1024;
/// How often a reservation is renewed, in milliseconds. A body that is silent for long ends, so a blob
/// that was not renewed for minutes is nobody's.
const RENEWED_MS: i64 = 60_000;
/// Longest time of a body, in milliseconds.
const LONGEST_MS: i64 = 6 * 3_600_000;

/// The beginning of a body.
pub(super) struct Peeked {
    pub(super) first: Bytes,
    /// Whether there is nothing more.
    pub(super) is_whole: bool,
}

/// Reads a body that may be small, until it has ended or is not small. Of one that says that it is large
/// nothing is read.
///
/// It has room before it is read.
pub(super) async fn peek(pieces: &mut BodyDataStream, announced: u64) -> Result<Peeked, Error> {
    let mut first = BytesMut::new();
    let mut is_whole = false;
    let mut room = FREE;
    let announced = usize::try_from(announced).unwrap_or(usize::MAX);
    if announced > FREE && announced <= INLINE {
        room = announced;
        asking::room(EACH_BYTE * announced).await?;
    }
    while announced <= INLINE && !is_whole && first.len() <= INLINE {
        match pieces.next().await {
            Some(piece) => {
                let piece = piece.map_err(failed)?;
                if first.len() + piece.len() > room {
                    room = 2 * INLINE;
                    asking::room(EACH_BYTE * INLINE).await?;
                }
                first.extend_from_slice(&piece);
            }
            None => is_whole = true,
        }
    }
    Ok(Peeked {
        first: first.freeze(),
        is_whole,
    })
}

/// A value that is in memory.
pub(super) fn inline(bytes: Bytes, headers: String) -> StoredValue {
    StoredValue {
        hash: *blake3::hash(&bytes).as_bytes(),
        size: bytes.len() as u64,
        headers,
        content: Content::Inline(bytes),
    }
}

/// Values of one request that are being received. Dropped before they are written, they leave nothing.
pub(super) struct Uploads<'a> {
    call: &'a Call<'a>,
    keys: Arc<[String]>,
    room: Option<Room>,
    /// Bytes of all its values until now.
    received: u64,
    /// Bytes of those in memory.
    in_memory: usize,
    /// Until when it must have arrived.
    until_ms: i64,
    staged: Staged,
}

/// A blob that is being written.
struct File {
    name: String,
    writer: Box<dyn BlobWriter>,
    written: u64,
    reserved: u64,
    renewed_ms: i64,
}

impl<'a> Uploads<'a> {
    /// Uses the invocation up, and refuses what could not be carried out as far as that is known now. The
    /// values have at least so many bytes.
    pub(super) async fn begin(
        call: &'a Call<'a>,
        keys: Vec<(String, Condition)>,
        least: u64,
    ) -> Result<Self, Error> {
        let node = call.node;
        let (store, count) = (Arc::clone(&node.store), keys.len());
        let names = keys.iter().map(|(key, _)| key.clone()).collect();
        let begin = Begin {
            admission: call.authorised.admission.clone(),
            space: call.space.clone(),
            keys,
            announced: least,
            default_bound: node.config.default_bound(call.space),
        };
        Ok(Self {
            call,
            keys: names,
            room: in_turn(call, count, async move { store.begin(begin).await }).await?,
            received: 0,
            in_memory: 0,
            until_ms: node.now_ms().saturating_add(LONGEST_MS),
            staged: Staged::new(node),
        })
    }

    /// Receives one value: a small one into memory, a larger one into a blob while it arrives.
    pub(super) async fn receive(
        &mut self,
        mut body: impl Stream<Item = Result<Bytes, Error>> + Unpin,
        announced: u64,
        headers: String,
    ) -> Result<StoredValue, Error> {
        let mut small = BytesMut::new();
        let mut file: Option<File> = None;
        let mut hasher = blake3::Hasher::new();
        let mut size = 0_u64;
        let inline = if self.in_memory < TOGETHER {
            INLINE
        } else {
            LEAST
        };
        while let Some(piece) = body.next().await {
            let piece = piece?;
            size = size.saturating_add(piece.len() as u64);
            self.check(piece.len() as u64, size)?;
            hasher.update(&piece);
            match &mut file {
                Some(file) => self.add(file, piece).await?,
                None if small.len() + piece.len() <= inline => small.extend_from_slice(&piece),
                None => {
                    let mut begun = self.create(announced.max(size)).await?;
                    self.add(&mut begun, small.split().freeze()).await?;
                    self.add(&mut begun, piece).await?;
                    file = Some(begun);
                }
            }
        }
        let content = match file {
            None => {
                self.in_memory += small.len();
                Content::Inline(small.freeze())
            }
            Some(file) => {
                file.writer.finish().await?;
                Content::Blob(file.name)
            }
        };
        Ok(StoredValue {
            hash: *hasher.finalize().as_bytes(),
            size,
            headers,
            content,
        })
    }

    /// Carries the write out.
    pub(super) async fn write(
        mut self,
        changes: Vec<(String, Condition, Change)>,
    ) -> Result<Vec<Outcome>, Error> {
        let outcomes = write(self.call, changes, true).await?;
        self.staged.settle();
        Ok(outcomes)
    }

    /// Holds what has arrived to its time and its bounds.
    fn check(&mut self, piece: u64, size: u64) -> Result<(), Error> {
        let node = self.call.node;
        let now_ms = node.now_ms();
        let chain = self.call.authorised.admission.chain_expires_ms;
        if chain.is_some_and(|end| now_ms > end) {
            return Err(StoreError::ChainEnded.into());
        }
        if now_ms > self.until_ms {
            return Err(StoreError::Late.into());
        }
        self.received = self.received.saturating_add(piece);
        let most = node.config.max_value_bytes;
        if size > most {
            return Err(too_large(most));
        }
        match self.room {
            Some(Room { bytes, used, limit }) if self.received > bytes => {
                Err(StoreError::Room { used, limit }.into())
            }
            _ => Ok(()),
        }
    }

    async fn create(&mut self, bytes: u64) -> Result<File, Error> {
        let name = new_name()?;
        // the guard and the store hear of it first: what is never finished is removed
        self.staged.add(&name);
        let reserved = self.reserve(&name, bytes, bytes, true).await?;
        Ok(File {
            writer: self.staged.create(&name).await?,
            name,
            written: 0,
            reserved,
            renewed_ms: self.call.node.now_ms(),
        })
    }

    async fn add(&self, file: &mut File, piece: Bytes) -> Result<(), Error> {
        file.written = file.written.saturating_add(piece.len() as u64);
        let now_ms = self.call.node.now_ms();
        if file.written > file.reserved {
            let ahead = file.reserved.saturating_add(STEP);
            file.reserved = self.reserve(&file.name, file.written, ahead, false).await?;
            file.renewed_ms = now_ms;
        } else if now_ms.saturating_sub(file.renewed_ms) >= RENEWED_MS {
            self.reserve(&file.name, file.reserved, file.reserved, false)
                .await?;
            file.renewed_ms = now_ms;
        }
        Ok(file.writer.write(piece).await?)
    }

    /// Reserves what would be good to have, or what there must be. Answers which.
    async fn reserve(
        &self,
        name: &str,
        needed: u64,
        wanted: u64,
        first: bool,
    ) -> Result<u64, Error> {
        let wanted = wanted.max(needed);
        let node = self.call.node;
        let reservation = Reservation {
            blob: name.to_owned(),
            first,
            bytes: wanted,
            space: self.call.space.clone(),
            keys: Arc::clone(&self.keys),
            default_bound: node.config.default_bound(self.call.space),
            staged_bound: node.config.max_staged_bytes,
        };
        match node.store.reserve(reservation.clone()).await {
            Err(StoreError::Full { .. } | StoreError::Room { .. } | StoreError::Busy)
                if wanted > needed =>
            {
                let bytes = needed;
                let reservation = Reservation {
                    bytes,
                    ..reservation
                };
                node.store.reserve(reservation).await?;
                Ok(needed)
            }
            reserved => Ok(reserved.map(|()| wanted)?),
        }
    }
}
