//! What the bytes of a connection say of the heads in them, before the server library reads them: how long
//! they are, and whether they end where every reader ends them.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::body::Room;

/// What is kept of a line: enough for every name that is looked for, and its number.
const KEPT: usize = 64;

/// What one head says. Stands in the extensions of its request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Its length in bytes.
    pub bytes: usize,
    /// It names both a length and chunks (RFC 9112, section 6.3): two readers could differ.
    pub two_lengths: bool,
    /// A line of it ends without a carriage return.
    pub bare_lines: bool,
}

/// Reads along.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    at: At,
    /// The beginning of a line, and how long it is.
    line: Vec<u8>,
    length: usize,
    ends_with_return: bool,
    /// Whether there was a line in this head.
    begun: bool,
    facts: Facts,
    chunks: bool,
    body: Option<u64>,
    /// The length of the body is not known here.
    unclear: bool,
    /// The longest head until now.
    longest: usize,
    /// Headers of this head, and the most of one until now.
    headers: usize,
    most_headers: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Head,
    Body(u64),
    /// In chunks, or where nobody knows: no further head is told from it.
    Unknown,
}

/// What the two sides of a connection, who reads it and who answers, know of its heads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heads(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Whose requests were not taken yet.
    ended: Mutex<VecDeque<Head>>,
    /// Of a large one, held until the connection ends, as what it is for may be kept so long.
    room: Mutex<Option<Room>>,
    answering: AtomicBool,
}

/// A head that has ended.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Head {
    pub(crate) facts: Facts,
    /// Nothing is known of what follows its body.
    pub(crate) last: bool,
}

impl Heads {
    fn push(&self, head: Head) {
        let mut heads = self.0.ended.lock().unwrap_or_else(PoisonError::into_inner);
        heads.push_back(head);
    }

    /// The room of a large head, until all of its request has arrived another's if it is short.
    pub(crate) fn room(&self) -> MutexGuard<'_, Option<Room>> {
        self.0.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of the request has arrived: it keeps the room.
    pub(crate) fn arrived(&self) {
        if let Some(room) = &mut *self.room() {
            // one that was displaced just now ends: who reads the connection is told
            let _ = room.is_whole();
        }
    }

    /// Whether a request is being answered now.
    pub(crate) fn answering(&self, answering: bool) {
        self.0.answering.store(answering, Ordering::SeqCst);
    }

    pub(crate) fn is_answering(&self) -> bool {
        self.0.answering.load(Ordering::SeqCst)
    }

    /// That of the next request.
    pub(crate) fn next(&self) -> Option<Head> {
        let mut heads = self.0.ended.lock().unwrap_or_else(PoisonError::into_inner);
        heads.pop_front()
    }
}

impl Scanner {
    /// Bytes of a head that has not ended.
    pub(crate) fn unfinished(&self) -> usize {
        match self.at {
            At::Head if self.begun || self.length > 0 => self.facts.bytes,
            _ => 0,
        }
    }

    /// Bytes of the longest head that has ended.
    pub(crate) const fn longest(&self) -> usize {
        self.longest
    }

    /// The most headers of one head, ended or not.
    pub(crate) const fn most_headers(&self) -> usize {
        self.most_headers
    }

    /// Reads along; heads that end are told. `keeps`: whether a head of so many bytes leaves the connection
    /// fit for another.
    pub(crate) fn read(&mut self, mut bytes: &[u8], heads: &Heads, keeps: impl Fn(usize) -> bool) {
        while !bytes.is_empty() {
            match &mut self.at {
                At::Unknown => return,
                At::Body(left) => {
                    let part = usize::try_from(*left)
                        .unwrap_or(usize::MAX)
                        .min(bytes.len());
                    *left -= part as u64;
                    if *left == 0 {
                        self.at = At::Head;
                    }
                    bytes = bytes.get(part..).unwrap_or_default();
                }
                At::Head => {
                    let end = bytes.iter().position(|byte| *byte == b'\n');
                    let (line, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
                    self.add(line);
                    bytes = rest;
                    if end.is_some() {
                        self.facts.bytes += 1;
                        bytes = bytes.get(1..).unwrap_or_default();
                        self.end_line(heads, &keeps);
                    }
                }
            }
        }
    }

    fn add(&mut self, part: &[u8]) {
        let room = KEPT.saturating_sub(self.line.len()).min(part.len());
        self.line
            .extend_from_slice(part.get(..room).unwrap_or_default());
        self.length += part.len();
        self.facts.bytes += part.len();
        if let Some(last) = part.last() {
            self.ends_with_return = *last == b'\r';
        }
    }

    fn end_line(&mut self, heads: &Heads, keeps: &impl Fn(usize) -> bool) {
        let returned = std::mem::take(&mut self.ends_with_return);
        let length = std::mem::take(&mut self.length) - usize::from(returned);
        let mut line = std::mem::take(&mut self.line);
        if length > 0 || self.begun {
            self.facts.bare_lines |= !returned;
        }
        if length > 0 {
            if self.begun {
                self.headers += 1;
                self.most_headers = self.most_headers.max(self.headers);
                self.header(&line, length > KEPT);
            }
            self.begun = true;
            line.clear();
            self.line = line;
        } else if self.begun {
            self.end_head(heads, keeps);
        } else {
            // empty lines before a request are nothing
            self.facts = Facts::default();
        }
    }

    fn header(&mut self, line: &[u8], is_cut: bool) {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else {
            return;
        };
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.chunks = true;
        } else if name.eq_ignore_ascii_case(b"content-length") {
            let value = str::from_utf8(value.trim_ascii()).ok();
            let value = value.filter(|_| !is_cut).and_then(|it| it.parse().ok());
            // who names no number, or several, is refused by who reads it; whoever hides one behind blanks
            // has no second request
            self.unclear |= value.is_none();
            self.body = Some(value.unwrap_or(0));
        }
    }

    fn end_head(&mut self, heads: &Heads, keeps: &impl Fn(usize) -> bool) {
        let Self {
            facts,
            chunks,
            body,
            unclear,
            longest,
            most_headers,
            ..
        } = std::mem::take(self);
        self.most_headers = most_headers;
        self.longest = longest.max(facts.bytes);
        let is_last = chunks || unclear;
        self.at = match (is_last, body) {
            (true, _) => At::Unknown,
            (false, None | Some(0)) => At::Head,
            (false, Some(length)) => At::Body(length),
        };
        heads.push(Head {
            facts: Facts {
                two_lengths: chunks && body.is_some(),
                ..facts
            },
            last: is_last || !keeps(facts.bytes),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of the heads in a text, whatever the pieces it comes in, and bytes without an end.
    fn read(text: &str) -> (Vec<(Facts, bool)>, usize) {
        let read = |piece: usize| {
            let (mut scanner, heads) = (Scanner::default(), Heads::default());
            for piece in text.as_bytes().chunks(piece) {
                scanner.read(piece, &heads, |bytes| bytes < 200);
            }
            let all = std::iter::from_fn(|| heads.next());
            let all = all.map(|head| (head.facts, head.last)).collect();
            (all, scanner.unfinished())
        };
        let (first, whole): (Vec<_>, _) = read(1);
        for piece in [2, 3, 7, 1000] {
            assert_eq!(read(piece), (first.clone(), whole), "{text:?}");
        }
        (first, whole)
    }

    #[test]
    fn h6_heads_are_told_from_bodies_and_their_lengths_are_counted() {
        let get = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        let of = |bytes| Facts {
            bytes,
            ..Facts::default()
        };
        let plain = (of(get.len()), false);
        assert_eq!(read(get), (vec![plain], 0));
        assert_eq!(read(&format!("\r\n{get}{get}")).0, [plain, plain]);
        let post = "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\n";
        let text = format!("{post}\r\n\r\n{get}GET");
        assert_eq!(read(&text), (vec![(of(post.len()), false), plain], 3));
        let long = format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "x".repeat(200));
        assert_eq!(read(&long).0, [(of(long.len()), true)]);
        // nor what follows a length that is hidden behind blanks, or is none
        let inner = "POST / HTTP/1.1\r\ncontent-length: 99999999999999\r\n\r\n";
        for length in [format!("{}55", " ".repeat(60)), "x".to_owned()] {
            let hidden = format!("POST / HTTP/1.1\r\ncontent-length:{length}\r\n\r\n");
            let (heads, unfinished) = read(&format!("{hidden}{inner}GET / HTTP/1.1\r\na: "));
            assert_eq!((heads.len(), heads[0].1, unfinished), (1, true, 0));
        }
        // what follows chunks is not read
        let chunked = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
        let (heads, unfinished) = read(&format!("{chunked}{get}"));
        assert_eq!((heads.len(), heads[0].1, unfinished), (1, true, 0));
    }

    #[test]
    fn h6_two_lengths_and_bare_lines_are_found() {
        let facts = |head: &str| read(&format!("POST / HTTP/1.1\r\n{head}\r\n\r\n")).0[0].0;
        for head in [
            "content-length: 3\r\ntransfer-encoding: chunked",
            "Transfer-Encoding:chunked\r\nA: b\r\nCONTENT-LENGTH: 3",
        ] {
            assert!(facts(head).two_lengths, "{head}");
        }
        assert!(!facts("content-length: 3").two_lengths);
        for head in ["a: b\nc: d", "a: b\n", "a: b\r\n\nGET /"] {
            assert!(facts(head).bare_lines, "{head}");
        }
        assert!(!facts("a: b").bare_lines);
    }
}
