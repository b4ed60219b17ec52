//! Any bytes as a stream of frames: the fuzz target's body, also run on its corpus by the tests.

use openkey_protocol::{
    cbor,
    frame::{Deframer, Frame, MAX_FRAME},
    message::{Call, Reply},
};

/// The first byte says in pieces of how many bytes the rest arrives.
pub(crate) fn run(input: &[u8]) {
    let Some((piece, stream)) = input.split_first() else {
        return;
    };
    let (whole, whole_end) = read(stream, stream.len().max(1));
    let (pieces, pieces_end) = read(stream, usize::from(*piece).max(1));
    assert!(whole == pieces && whole_end == pieces_end);

    // What was read is what was there, byte for byte, from the beginning.
    let again: Vec<u8> = whole.iter().flat_map(|f| f.encode().unwrap()).collect();
    assert!(stream.starts_with(&again));

    for frame in &whole {
        match frame {
            Frame::Request { body, .. } => drop(cbor::decode::<Call>(body.as_slice())),
            Frame::Reply { body, .. } => drop(cbor::decode::<Reply>(body.as_slice())),
            _ => {}
        }
    }
}

fn read(stream: &[u8], piece: usize) -> (Vec<Frame>, String) {
    let mut deframer = Deframer::default();
    let mut frames = Vec::new();
    for arrived in stream.chunks(piece) {
        deframer.push(arrived);
        loop {
            match deframer.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, format!("{error:?}")),
            }
        }
        // Memory follows what arrived, never what was announced.
        assert!(deframer.capacity() <= 2 * (stream.len() + 64));
        assert!(deframer.capacity() <= 2 * (MAX_FRAME + 4 + piece + 64));
    }
    (frames, format!("partial: {}", deframer.is_partial()))
}
