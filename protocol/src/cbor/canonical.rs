//! Puts the map keys of a serialised value in order (RFC 8949 §4.2.1).

use core::ops::Range;

use zeroize::Zeroizing;

use super::{
    EncodeError, Limits, Rule,
    head::{Cursor, Head},
};

/// Rewrites one serialised item into the deterministic form. The serialiser already writes shortest
/// heads, which is checked again on the way.
pub(super) fn rewrite(written: &[u8]) -> Result<Vec<u8>, EncodeError> {
    let mut rewriter = Rewriter {
        input: Cursor::new(written),
        // Order does not change the length: the output never grows, so no copy is left behind.
        output: Zeroizing::new(Vec::with_capacity(written.len())),
        pairs: Vec::new(),
    };
    rewriter
        .item(Limits::DEEPEST)
        .and_then(|()| match rewriter.input.remaining() {
            0 => Ok(()),
            _ => Err(Rule::TrailingBytes),
        })
        .map_err(EncodeError::Profile)?;
    Ok(core::mem::take(&mut *rewriter.output))
}

/// A pair of a map in the output.
struct Pair {
    key: Range<usize>,
    end: usize,
}

struct Rewriter<'a> {
    input: Cursor<'a>,
    output: Zeroizing<Vec<u8>>,
    /// The pairs of the maps that are open, innermost last.
    pairs: Vec<Pair>,
}

impl Rewriter<'_> {
    fn item(&mut self, depth: usize) -> Result<(), Rule> {
        let from = self.input.at();
        let head = self.input.head()?;
        if let Head::Bytes(length) | Head::Text(length) = head {
            self.input.take(length)?;
        }
        self.output.extend_from_slice(self.input.since(from));
        match head {
            Head::Array(count) => {
                let depth = depth.checked_sub(1).ok_or(Rule::TooDeep)?;
                (0..count).try_for_each(|_| self.item(depth))
            }
            Head::Map(count) => {
                let depth = depth.checked_sub(1).ok_or(Rule::TooDeep)?;
                self.map(count, depth)
            }
            Head::Scalar | Head::Bytes(_) | Head::Text(_) => Ok(()),
        }
    }

    fn map(&mut self, count: u64, depth: usize) -> Result<(), Rule> {
        let (first, begin) = (self.pairs.len(), self.output.len());
        for _ in 0..count {
            let key = self.output.len();
            self.item(depth)?;
            let value = self.output.len();
            self.item(depth)?;
            let end = self.output.len();
            self.pairs.push(Pair {
                key: key..value,
                end,
            });
        }
        self.sort(first, begin)?;
        self.pairs.truncate(first);
        Ok(())
    }

    /// Sorts the pairs from `first` on, whose bytes are the output from `begin` on.
    fn sort(&mut self, first: usize, begin: usize) -> Result<(), Rule> {
        let output = &mut self.output;
        let pairs = self.pairs.get_mut(first..).unwrap_or_default();
        let key = |pair: &Pair| output.get(pair.key.clone()).unwrap_or_default();
        if pairs.is_sorted_by(|a, b| key(a) < key(b)) {
            return Ok(());
        }
        pairs.sort_unstable_by(|a, b| key(a).cmp(key(b)));
        if !pairs.is_sorted_by(|a, b| key(a) < key(b)) {
            return Err(Rule::DuplicateKey);
        }
        let mut sorted = Zeroizing::new(Vec::with_capacity(output.len() - begin));
        for pair in &*pairs {
            sorted.extend_from_slice(output.get(pair.key.start..pair.end).unwrap_or_default());
        }
        output.truncate(begin);
        output.extend_from_slice(&sorted);
        Ok(())
    }
}
