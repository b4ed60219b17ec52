//! What node and worker say to each other: frames of two lengths, a head in CBOR and a body of bytes.
//!
//! The node asks for one thing at a time, and the worker answers it before the next. Either side ends when
//! the other is gone, or sends what it must not.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::sql::links::Link;
use crate::sql::local::{Policy, Stage, Work};
use crate::sql::{DatabaseId, SqlError, SqlLimits};

/// Bytes of the two lengths in front of a frame: of the head and of the body, little-endian.
pub(super) const LENGTHS: usize = 8;
/// Largest head of a request: what a request of 1 MiB and its caveats become.
pub(super) const MAX_TASK: usize = 16 << 20;
/// Largest head of an answer: an error with what SQLite says of a statement of 100 KiB.
pub(super) const MAX_REPLY: usize = 1 << 20;
/// How much larger the results of a batch may be than a response.
const MAX_MORE: u64 = 4 << 20;

/// What a worker is told first.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Settings {
    /// Where databases are.
    pub(super) dir: PathBuf,
    pub(super) limits: SqlLimits,
}

/// What a worker is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// Work, if it does not write.
    Read = b'r',
    /// Work in a transaction.
    Write = b'w',
    /// A copy.
    Export = b'e',
}

/// In place of a kind: whether what each request rests on still stands, a byte for each.
const STAND: u8 = b's';
/// In place of a kind: that so many frames follow, each of which writes, to be done together.
const TOGETHER: u8 = b't';

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        [Self::Read, Self::Write, Self::Export]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

/// With what, and where.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Task {
    pub(super) id: DatabaseId,
    pub(super) what: What,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum What {
    Work {
        work: Work,
        policy: Box<Policy>,
        may_create: bool,
        bytes: u64,
        /// What it rests on.
        links: Vec<Link>,
    },
    /// Into the empty file of this name, in the same directory.
    Export(String),
}

/// What a worker says. What came out of a statement is the frame's body.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Reply {
    /// It has its settings, and has confined itself.
    Ready,
    /// Another process writes the database.
    Waits,
    /// It waits no more.
    Begins,
    /// Of several that are done together, it begins the next.
    Next,
    /// All statements are run, and become durable.
    Commits,
    /// All statements are run, and become durable if what they rest on still stands: it waits for that word.
    Asks,
    /// It has done what it was to do, and used so much time of a processor.
    Done { outcome: Outcome, micros: u64 },
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Outcome {
    /// It read.
    Read,
    /// It did nothing, since it would write.
    Writes,
    /// It wrote.
    Wrote { before: u64, after: u64 },
    /// Of several that were done together, this one was not, and is to be done later, perhaps by itself.
    Again { alone: bool },
    /// It copied.
    Exported,
    /// It did nothing.
    Failed(SqlError),
}

impl From<Stage> for Reply {
    fn from(stage: Stage) -> Self {
        match stage {
            Stage::Waits => Self::Waits,
            Stage::Begins => Self::Begins,
            Stage::Next => Self::Next,
            Stage::Commits => Self::Commits,
            Stage::Asks => Self::Asks,
        }
    }
}

/// Why a frame cannot be made or read.
#[derive(Debug, thiserror::Error)]
#[error("a frame between node and worker: {0}")]
pub(super) struct BadFrame(pub(super) String);

impl BadFrame {
    fn new(error: impl core::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// A request, which can be sent as any [`Kind`].
pub(super) struct Frame(Vec<u8>);

impl Frame {
    pub(super) fn new(kind: Kind, task: &Task) -> Result<Self, BadFrame> {
        let head = minicbor_serde::to_vec(task).map_err(BadFrame::new)?;
        if head.len() >= MAX_TASK {
            return Err(BadFrame::new("the request is too large"));
        }
        let mut frame = lengths(head.len() + 1, 0)?.to_vec();
        frame.push(kind as u8);
        frame.extend_from_slice(&head);
        Ok(Self(frame))
    }

    /// The same, as another kind.
    pub(super) fn again(mut self, kind: Kind) -> Self {
        if let Some(byte) = self.0.get_mut(LENGTHS) {
            *byte = kind as u8;
        }
        self
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What stands in front of a frame.
pub(super) fn lengths(head: usize, body: usize) -> Result<[u8; LENGTHS], BadFrame> {
    let length = |bytes: usize| u32::try_from(bytes).map_err(BadFrame::new);
    let both = u64::from(length(head)?) | u64::from(length(body)?) << 32;
    Ok(both.to_le_bytes())
}

/// The lengths of head and body, if they may be so long.
pub(super) fn read_lengths(
    bytes: [u8; LENGTHS],
    most_head: usize,
    most_body: u64,
) -> Result<(usize, usize), BadFrame> {
    let both = u64::from_le_bytes(bytes);
    let (head, body) = (both & u64::from(u32::MAX), both >> 32);
    if head > most_head as u64 || body > most_body {
        return Err(BadFrame(format!("a head of {head} bytes and {body} more")));
    }
    let length = |bytes: u64| usize::try_from(bytes).map_err(BadFrame::new);
    Ok((length(head)?, length(body)?))
}

/// Largest body of an answer.
pub(super) const fn most_body(limits: &SqlLimits) -> u64 {
    limits.response_bytes.saturating_add(MAX_MORE)
}

/// A head and a body in one.
pub(super) fn frame(head: &impl Serialize, body: &[u8]) -> Result<Vec<u8>, BadFrame> {
    let head = minicbor_serde::to_vec(head).map_err(BadFrame::new)?;
    let mut frame = Vec::with_capacity(LENGTHS + head.len() + body.len());
    frame.extend_from_slice(&lengths(head.len(), body.len())?);
    frame.extend_from_slice(&head);
    frame.extend_from_slice(body);
    Ok(frame)
}

/// Reads a head, of which nothing may be left.
pub(super) fn read<'a, T: Deserialize<'a>>(head: &'a [u8]) -> Result<T, BadFrame> {
    let mut reader = minicbor_serde::Deserializer::new(head);
    let read = T::deserialize(&mut reader).map_err(BadFrame::new)?;
    if reader.decoder().position() != head.len() {
        return Err(BadFrame::new("more than one head"));
    }
    Ok(read)
}

/// Several frames that write, as they are sent to be done together.
pub(super) fn together(frames: &[&[u8]]) -> Result<Vec<u8>, BadFrame> {
    let count = u32::try_from(frames.len()).map_err(BadFrame::new)?;
    let count = count.to_le_bytes();
    let mut all = lengths(count.len() + 1, 0)?.to_vec();
    all.push(TOGETHER);
    all.extend_from_slice(&count);
    for frame in frames {
        all.extend_from_slice(frame);
    }
    Ok(all)
}

/// How many frames follow that are to be done together, if that is what a head says.
pub(super) fn read_together(head: &[u8]) -> Option<u32> {
    let count = head.strip_prefix(&[TOGETHER])?;
    Some(u32::from_le_bytes(count.try_into().ok()?))
}

/// Says of several requests whether what each rests on still stands.
pub(super) fn stand(each: &[bool]) -> Result<Vec<u8>, BadFrame> {
    let mut frame = lengths(each.len() + 1, 0)?.to_vec();
    frame.push(STAND);
    frame.extend(each.iter().copied().map(u8::from));
    Ok(frame)
}

/// What was said of so many, if that is what a head says.
pub(super) fn read_stand(head: &[u8], count: usize) -> Option<Vec<bool>> {
    let each = head.strip_prefix(&[STAND])?;
    (each.len() == count).then(|| each.iter().map(|stands| *stands == 1).collect())
}

/// Reads a request.
pub(super) fn read_task(head: &[u8]) -> Result<(Kind, Task), BadFrame> {
    let (kind, task) = head.split_first().ok_or_else(|| BadFrame::new("nothing"))?;
    let kind = Kind::of(*kind).ok_or_else(|| BadFrame::new("an unknown kind"))?;
    Ok((kind, read(task)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::Value;

    #[test]
    fn values_cross_as_they_are() {
        let values = [
            Value::Null,
            Value::Integer(i64::MIN),
            Value::Integer(-1),
            Value::Integer(0),
            Value::Integer(i64::MAX),
            Value::Real(0.1),
            Value::Real(-0.0),
            Value::Real(1.0),
            Value::Real(f64::MAX),
            Value::Real(5e-324),
            Value::Text("é\0\"".to_owned()),
            Value::Text(String::new()),
            Value::Blob(vec![]),
            Value::Blob(vec![0, 255]),
            Value::Compound,
        ];
        let sent = minicbor_serde::to_vec(values.as_slice()).unwrap();
        let read: Vec<Value> = read(&sent).unwrap();
        assert_eq!(read, values);
        assert!(matches!(read[6], Value::Real(zero) if zero.is_sign_negative()));
    }

    #[test]
    fn h4_a_worker_that_says_too_much_is_not_listened_to() {
        let frame = |head: usize, body: usize| lengths(head, body).unwrap();
        assert_eq!(read_lengths(frame(5, 9), 5, 9).unwrap(), (5, 9));
        assert!(read_lengths(frame(6, 9), 5, 9).is_err());
        assert!(read_lengths(frame(5, 10), 5, 9).is_err());
        assert!(read_lengths([0xff; LENGTHS], MAX_REPLY, 1 << 24).is_err());
        for nonsense in [&[][..], &[0xff], &[0; 9], b"Ready", &[0x9b, 0xff, 0xff]] {
            assert!(read::<Reply>(nonsense).is_err(), "{nonsense:?}");
        }
        let mut twice = minicbor_serde::to_vec(&Reply::Ready).unwrap();
        assert!(matches!(read::<Reply>(&twice), Ok(Reply::Ready)));
        twice.extend_from_within(..);
        assert!(read::<Reply>(&twice).is_err());
    }
}
