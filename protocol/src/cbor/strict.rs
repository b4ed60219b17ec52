//! The strict pass: every rule of the profile over the whole input, before anything is built.

use super::{
    DecodeError, Rule,
    head::{Cursor, Head},
};

/// How much a value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole.
    pub bytes: usize,
    /// Arrays and maps inside one another, at most [`Limits::DEEPEST`].
    pub depth: usize,
    /// Items (keys and values of maps counted apart), the outermost included.
    pub items: usize,
}

impl Limits {
    /// No limit may allow more nesting: the pass is recursive, and this much fits every stack.
    pub const DEEPEST: usize = 64;
}

impl Default for Limits {
    /// For messages: a mebibyte as a whole frame has, twice the nesting of the deepest message, and
    /// several times the items of the longest page of history.
    fn default() -> Self {
        Self {
            bytes: 1 << 20,
            depth: 16,
            items: 8192,
        }
    }
}

/// Checks that bytes are one item in the deterministic profile and within the limits. Allocates
/// nothing.
///
/// # Errors
///
/// [`DecodeError::Malformed`] with the first broken rule.
pub fn check(bytes: &[u8], limits: &Limits) -> Result<(), DecodeError> {
    if bytes.len() > limits.bytes {
        let (rule, at) = (Rule::TooLong, limits.bytes);
        return Err(DecodeError::Malformed { rule, at });
    }
    let mut pass = Pass {
        input: Cursor::new(bytes),
        items: limits.items,
        item_at: 0,
    };
    let checked =
        pass.item(limits.depth.min(Limits::DEEPEST))
            .and_then(|()| match pass.input.remaining() {
                0 => Ok(()),
                _ => {
                    pass.item_at = pass.input.at();
                    Err(Rule::TrailingBytes)
                }
            });
    checked.map_err(|rule| DecodeError::Malformed {
        rule,
        at: pass.item_at,
    })
}

struct Pass<'a> {
    input: Cursor<'a>,
    /// How many more items may come.
    items: usize,
    /// Where the newest item begins, for the error.
    item_at: usize,
}

impl Pass<'_> {
    /// One item with everything in it; `depth` more levels may be opened.
    fn item(&mut self, depth: usize) -> Result<(), Rule> {
        self.item_at = self.input.at();
        self.items = self.items.checked_sub(1).ok_or(Rule::TooManyItems)?;
        match self.input.head()? {
            Head::Scalar => Ok(()),
            Head::Bytes(length) => self.input.take(length).map(drop),
            Head::Text(length) => {
                let text = self.input.take(length)?;
                core::str::from_utf8(text)
                    .map(drop)
                    .map_err(|_| Rule::NotUtf8)
            }
            Head::Array(count) => {
                let depth = self.open(count, depth)?;
                (0..count).try_for_each(|_| self.item(depth))
            }
            Head::Map(count) => {
                let depth = self.open(count.saturating_mul(2), depth)?;
                let mut last: &[u8] = &[];
                for _ in 0..count {
                    self.item_at = self.input.at();
                    self.items = self.items.checked_sub(1).ok_or(Rule::TooManyItems)?;
                    let key = self.input.key()?;
                    if key <= last {
                        return Err(if key == last {
                            Rule::DuplicateKey
                        } else {
                            Rule::KeyOrder
                        });
                    }
                    last = key;
                    self.item(depth)?;
                }
                Ok(())
            }
        }
    }

    /// Announced items must fit the limits and, at a byte each, the rest of the input: a false count
    /// is refused at its head.
    fn open(&self, items: u64, depth: usize) -> Result<usize, Rule> {
        let depth = depth.checked_sub(1).ok_or(Rule::TooDeep)?;
        if items > self.items as u64 {
            return Err(Rule::TooManyItems);
        }
        if items > self.input.remaining() as u64 {
            return Err(Rule::Truncated);
        }
        Ok(depth)
    }
}
