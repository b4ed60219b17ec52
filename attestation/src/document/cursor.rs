//! A forward-only reader of CBOR (RFC 8949) that accepts the forms that hardware writes.

use minicbor::Decoder;
use minicbor::data::Type;

use super::malformed::{Field, Malformed};

/// Reads one item after the other; every item says what it must be.
pub(super) struct Cursor<'a> {
    decoder: Decoder<'a>,
}

/// The fewest bytes in which a length or number can be written.
const fn head_bytes(value: u64) -> usize {
    match value {
        0..=23 => 1,
        24..=0xff => 2,
        0x100..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            decoder: Decoder::new(bytes),
        }
    }

    pub(super) fn at_end(&self) -> bool {
        self.decoder.position() == self.decoder.input().len()
    }

    /// The next item's type; a tag is refused here, for all readers.
    fn peek(&self) -> Result<Type, Malformed> {
        match self.decoder.datatype() {
            Ok(Type::Tag) => Err(Malformed::Tag),
            Ok(found) => Ok(found),
            Err(_) => Err(Malformed::Truncated),
        }
    }

    /// Takes the tag 18 (COSE_Sign1), if it is there.
    pub(super) fn skip_sign1_tag(&mut self) {
        // The one-byte form only: others of the same tag are not minimal.
        if self.decoder.input().first() == Some(&0xd2) {
            self.decoder.set_position(1);
        }
    }

    fn minimal(&self, start: usize, content: usize, value: u64) -> Result<(), Malformed> {
        let head = self.decoder.position() - start - content;
        if head == head_bytes(value) {
            Ok(())
        } else {
            Err(Malformed::NotMinimal)
        }
    }

    /// A byte string in one piece. `wrong` is the error for another type.
    pub(super) fn bytes(&mut self, wrong: Malformed) -> Result<&'a [u8], Malformed> {
        match self.peek()? {
            Type::Bytes => {}
            Type::BytesIndef => return Err(Malformed::Indefinite),
            _ => return Err(wrong),
        }
        let start = self.decoder.position();
        // The type is right, so only the end of the input can be wrong.
        let bytes = self.decoder.bytes().map_err(|_| Malformed::Truncated)?;
        self.minimal(start, bytes.len(), bytes.len() as u64)?;
        Ok(bytes)
    }

    /// A text in one piece.
    pub(super) fn text(&mut self, wrong: Malformed) -> Result<&'a str, Malformed> {
        match self.peek()? {
            Type::String => {}
            Type::StringIndef => return Err(Malformed::Indefinite),
            _ => return Err(wrong),
        }
        let start = self.decoder.position();
        let text = self.decoder.str().map_err(|error| {
            if error.is_end_of_input() {
                Malformed::Truncated
            } else {
                Malformed::NotUtf8
            }
        })?;
        self.minimal(start, text.len(), text.len() as u64)?;
        Ok(text)
    }

    /// A byte string, or null.
    pub(super) fn optional_bytes(&mut self, field: Field) -> Result<Option<&'a [u8]>, Malformed> {
        if self.peek()? == Type::Null {
            self.step();
            return Ok(None);
        }
        self.bytes(Malformed::Type(field)).map(Some)
    }

    /// An unsigned integer, in any width.
    pub(super) fn unsigned(&mut self, field: Field) -> Result<u64, Malformed> {
        match self.peek()? {
            Type::U8 | Type::U16 | Type::U32 | Type::U64 => {
                self.decoder.u64().map_err(|_| Malformed::Truncated)
            }
            _ => Err(Malformed::Type(field)),
        }
    }

    /// An unsigned integer in the fewest bytes.
    pub(super) fn key(&mut self, field: Field) -> Result<u64, Malformed> {
        let start = self.decoder.position();
        let value = self.unsigned(field)?;
        self.minimal(start, 0, value)?;
        Ok(value)
    }

    /// The head of an array of definite length.
    pub(super) fn array(&mut self, wrong: Malformed) -> Result<u64, Malformed> {
        match self.peek()? {
            Type::Array => {}
            Type::ArrayIndef => return Err(Malformed::Indefinite),
            _ => return Err(wrong),
        }
        let start = self.decoder.position();
        let count = self.decoder.array().map_err(|_| Malformed::Truncated)?;
        let count = count.ok_or(Malformed::Indefinite)?;
        self.minimal(start, 0, count)?;
        Ok(count)
    }

    /// The head of a map; `None` when its length is indefinite.
    pub(super) fn map(&mut self, wrong: Malformed) -> Result<Option<u64>, Malformed> {
        match self.peek()? {
            Type::Map | Type::MapIndef => {}
            _ => return Err(wrong),
        }
        let start = self.decoder.position();
        let count = self.decoder.map().map_err(|_| Malformed::Truncated)?;
        if let Some(count) = count {
            self.minimal(start, 0, count)?;
        }
        Ok(count)
    }

    /// Whether a map of indefinite length ends here; takes its end.
    pub(super) fn takes_break(&mut self) -> Result<bool, Malformed> {
        let ends = self.peek()? == Type::Break;
        if ends {
            self.step();
        }
        Ok(ends)
    }

    /// Moves over an item of one byte that was just peeked at.
    fn step(&mut self) {
        self.decoder.set_position(self.decoder.position() + 1);
    }
}
