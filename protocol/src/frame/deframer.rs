//! From bytes as they arrive to frames. No I/O.

use super::{Frame, FrameError, LENGTH_BYTES, MAX_FRAME};

/// Puts frames together from pieces of any size. Holds no more than what arrived: an announced
/// length allocates nothing.
#[derive(Debug, Default)]
pub struct Deframer {
    buffer: Vec<u8>,
    /// Where the first byte lies that is not part of a frame handed out.
    start: usize,
}

impl Deframer {
    /// A buffer that one large frame made larger than this is given back.
    const KEPT: usize = 64 * 1024;

    /// Takes bytes that arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.space(bytes.len()).extend_from_slice(bytes);
    }

    /// The buffer to append up to `step` arriving bytes to, made room for.
    pub(super) fn space(&mut self, step: usize) -> &mut Vec<u8> {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.reserve(step);
        &mut self.buffer
    }

    /// True if a frame has begun that is not complete.
    #[must_use]
    pub const fn is_partial(&self) -> bool {
        self.buffer.len() > self.start
    }

    /// The next whole frame, if it is there.
    ///
    /// # Errors
    ///
    /// [`FrameError::TooLarge`], [`FrameError::Empty`] as soon as the length is there, and
    /// [`FrameError::Malformed`]. After an error the stream cannot be read on.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        let waiting = self.buffer.get(self.start..).unwrap_or_default();
        let Some((length, rest)) = waiting.split_first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length) as usize;
        if length > MAX_FRAME {
            return Err(FrameError::TooLarge { length });
        }
        if length == 0 {
            return Err(FrameError::Empty);
        }
        let Some(content) = rest.get(..length) else {
            return Ok(None);
        };
        let frame = Frame::decode(content)?;
        self.start += LENGTH_BYTES + length;
        if !self.is_partial() {
            self.buffer.clear();
            self.start = 0;
            self.buffer.shrink_to(Self::KEPT);
        }
        Ok(Some(frame))
    }

    /// How much memory is held.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.buffer.capacity()
    }
}
