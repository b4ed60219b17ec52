use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use proptest::prelude::*;
use tokio::{
    io::{AsyncWrite, AsyncWriteExt, DuplexStream, duplex, split},
    time::{Instant, sleep, timeout},
};

use super::*;
use crate::cbor::Rule;

const LIMIT: Duration = Duration::from_secs(10);

fn request(id: u64, body: Vec<u8>) -> Frame {
    Frame::Request {
        id,
        body: Bytes(body),
        class: Class::Request,
        deadline_ms: 1000,
    }
}

fn any_frame() -> impl Strategy<Value = Frame> {
    let body = || prop::collection::vec(any::<u8>(), 0..300).prop_map(Bytes);
    let class = prop_oneof![
        Just(Class::Evidence),
        Just(Class::SignUp),
        Just(Class::Request)
    ];
    let failure = prop_oneof![Just(Failure::Busy), Just(Failure::TooLarge)];
    prop_oneof![
        prop::collection::vec(any::<u16>(), 0..20).prop_map(|versions| Frame::Hello { versions }),
        (any::<u64>(), body(), class, any::<u32>()).prop_map(|(id, body, class, deadline_ms)| {
            Frame::Request {
                id,
                body,
                class,
                deadline_ms,
            }
        }),
        (any::<u64>(), body()).prop_map(|(id, body)| Frame::Reply { id, body }),
        (any::<u64>(), failure).prop_map(|(id, failure)| Frame::Failure { id, failure }),
    ]
}

proptest! {
    #[test]
    fn frames_survive_any_cutting(
        frames in prop::collection::vec(any_frame(), 1..6),
        piece in 1_usize..400,
    ) {
        let bytes: Vec<u8> = frames.iter().flat_map(|f| f.encode().unwrap()).collect();
        let mut deframer = Deframer::default();
        let mut read = Vec::new();
        for piece in bytes.chunks(piece) {
            deframer.push(piece);
            while let Some(frame) = deframer.next_frame().unwrap() {
                read.push(frame);
            }
        }
        prop_assert!(!deframer.is_partial());
        prop_assert_eq!(read, frames);
    }

    #[test]
    fn both_ways_to_encode_agree(frame in any_frame()) {
        let content = crate::cbor::encode(&frame).unwrap();
        prop_assert_eq!(&frame.encode().unwrap()[LENGTH_BYTES..], &content);
    }

    #[test]
    fn both_ways_to_decode_agree(
        frame in any_frame(),
        at in any::<prop::sample::Index>(),
        bits in 0_u8..=255,
    ) {
        let mut content = crate::cbor::encode(&frame).unwrap();
        let at = at.index(content.len());
        content[at] ^= bits;
        let general = crate::cbor::decode_within::<Frame>(&content, &LIMITS);
        prop_assert_eq!(Frame::decode(&content), general.map_err(FrameError::Malformed));
    }

    #[test]
    fn any_bytes_are_frames_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut deframer = Deframer::default();
        deframer.push(&bytes);
        while let Ok(Some(frame)) = deframer.next_frame() {
            frame.encode().unwrap();
        }
    }
}

#[test]
fn the_longest_body_fits_and_no_longer_one() {
    let longest = request(u64::MAX, vec![7; MAX_BODY]);
    let bytes = longest.encode().unwrap();
    assert!(bytes.len() <= MAX_FRAME + LENGTH_BYTES);
    assert_eq!(Frame::decode(&bytes[LENGTH_BYTES..]).unwrap(), longest);
    let length = MAX_BODY + 1;
    assert_eq!(
        request(1, vec![7; length]).encode(),
        Err(FrameError::TooLarge { length })
    );
}

#[test]
fn h1_oversize_length_is_refused_before_allocation() {
    for length in [MAX_FRAME + 1, u32::MAX as usize] {
        let mut deframer = Deframer::default();
        deframer.push(&u32::try_from(length).unwrap().to_be_bytes());
        assert_eq!(deframer.next_frame(), Err(FrameError::TooLarge { length }));
        assert!(deframer.capacity() < 64);
    }
    let mut deframer = Deframer::default();
    deframer.push(&[0; 4]);
    assert_eq!(deframer.next_frame(), Err(FrameError::Empty));
}

#[test]
fn h1_an_announced_length_allocates_nothing() {
    let mut deframer = Deframer::default();
    deframer.push(&u32::try_from(MAX_FRAME).unwrap().to_be_bytes());
    deframer.push(&[0x5a; 100]);
    assert_eq!(deframer.next_frame(), Ok(None));
    assert!(deframer.capacity() < 1024);
}

#[test]
fn a_large_frame_does_not_keep_its_memory() {
    let mut deframer = Deframer::default();
    deframer.push(&request(1, vec![0; MAX_BODY]).encode().unwrap());
    assert!(deframer.next_frame().unwrap().is_some());
    assert!(deframer.capacity() <= 64 * 1024);
}

#[test]
fn h1_cbor_bombs_in_frames_are_refused() {
    let bombs: [(&[u8], Rule); 5] = [
        (&[0x81; 100_000], Rule::TooDeep),
        (
            &[0x9b, 255, 255, 255, 255, 255, 255, 255, 255],
            Rule::TooManyItems,
        ),
        (
            &[0xbb, 127, 255, 255, 255, 255, 255, 255, 255],
            Rule::TooManyItems,
        ),
        (
            &[0x5b, 127, 255, 255, 255, 255, 255, 255, 255],
            Rule::Truncated,
        ),
        (&[0x9f; 100_000], Rule::IndefiniteLength),
    ];
    for (bomb, expected) in bombs {
        let mut deframer = Deframer::default();
        deframer.push(&u32::try_from(bomb.len()).unwrap().to_be_bytes());
        deframer.push(bomb);
        let Err(FrameError::Malformed(DecodeError::Malformed { rule, .. })) = deframer.next_frame()
        else {
            panic!("accepted {expected}");
        };
        assert_eq!(rule, expected);
    }
}

/// The short way to read a frame is as strict as the general one.
#[test]
fn h1_frames_with_bodies_have_one_encoding() {
    let content = crate::cbor::encode(&request(1, b"abc".to_vec())).unwrap();
    assert!(Frame::decode(&content).is_ok());
    let replaced = |from: &[u8], to: &[u8]| {
        let at = content.windows(from.len()).position(|w| w == from).unwrap();
        [&content[..at], to, &content[at + from.len()..]].concat()
    };
    let cases = [
        (replaced(b"\x62id\x01", b"\x62id\x18\x01"), "not_shortest"),
        (replaced(b"\x43abc", b"\x58\x03abc"), "not_shortest"),
        (
            replaced(b"\x43abc", b"\x5f\x43abc\xff"),
            "indefinite_length",
        ),
        (replaced(b"\x64body", b"\x78\x04body"), "not_shortest"),
        (replaced(b"\x43abc", b"\xc2\x43abc"), "tag"),
        (replaced(b"\x43abc", b"\x63abc"), "shape"),
        (
            replaced(b"\x65class\x67request", b"\x65class\x67unknown"),
            "shape",
        ),
        ([&content, b"\xf6".as_slice()].concat(), "trailing_bytes"),
    ];
    for (bytes, rule) in cases {
        let Err(FrameError::Malformed(error)) = Frame::decode(&bytes) else {
            panic!("accepted: {rule}");
        };
        assert_eq!(error.name(), rule);
    }
}

fn reading() -> (FrameReader<DuplexStream>, DuplexStream) {
    let (here, there) = duplex(64 * 1024);
    (FrameReader::new(here, LIMIT), there)
}

#[tokio::test(start_paused = true)]
async fn h1_a_slow_frame_ends_in_time_however_it_trickles() {
    let (mut reader, mut peer) = reading();
    let started = Instant::now();
    let trickle = tokio::spawn(async move {
        for byte in request(1, vec![0; 1000]).encode().unwrap() {
            sleep(Duration::from_secs(1)).await;
            peer.write_u8(byte).await.unwrap();
        }
    });
    assert_eq!(reader.next().await, Err(FrameError::Stalled));
    assert_eq!(started.elapsed(), LIMIT + Duration::from_secs(1));
    trickle.abort();
}

#[tokio::test(start_paused = true)]
async fn h1_giving_up_a_read_does_not_restart_its_clock() {
    let (mut reader, mut peer) = reading();
    let bytes = request(1, vec![0; 1000]).encode().unwrap();
    peer.write_all(&bytes[..500]).await.unwrap();
    for _ in 0..3 {
        let given_up = timeout(LIMIT / 4, reader.next()).await;
        assert!(given_up.is_err());
    }
    // Nothing is lost, either.
    peer.write_all(&bytes[500..]).await.unwrap();
    assert_eq!(reader.next().await, Ok(Some(request(1, vec![0; 1000]))));

    peer.write_all(&bytes[..500]).await.unwrap();
    let started = Instant::now();
    assert!(timeout(LIMIT / 2, reader.next()).await.is_err());
    assert_eq!(reader.next().await, Err(FrameError::Stalled));
    assert_eq!(started.elapsed(), LIMIT);
}

#[tokio::test(start_paused = true)]
async fn a_peer_may_be_silent_between_frames() {
    let (mut reader, mut peer) = reading();
    let silent = timeout(LIMIT * 100, reader.next()).await;
    assert!(silent.is_err());
    let bytes = request(1, vec![]).encode().unwrap();
    peer.write_all(&bytes).await.unwrap();
    assert_eq!(reader.next().await, Ok(Some(request(1, vec![]))));
    peer.write_all(&bytes[..1]).await.unwrap();
    drop(peer);
    assert_eq!(reader.next().await, Err(FrameError::Cut));

    let (mut reader, peer) = self::reading();
    drop(peer);
    assert_eq!(reader.next().await, Ok(None));
}

/// Takes anything and remembers the longest write.
struct Longest(usize, usize);

impl AsyncWrite for Longest {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0 = self.0.max(bytes.len());
        self.1 += bytes.len();
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn h1_a_peer_that_takes_nothing_ends_in_time() {
    let (mut here, _there) = duplex(1024);
    let bytes = request(1, vec![1; 2000]).encode().unwrap();
    let started = Instant::now();
    let written = write_frame(&mut here, &bytes, LIMIT).await;
    assert_eq!(written, Err(FrameError::Stalled));
    assert_eq!(started.elapsed(), LIMIT);
}

async fn greet(ours: &[u16], theirs: Frame) -> Result<u16, FrameError> {
    let (here, mut there) = duplex(4096);
    let (reader, mut writer) = split(here);
    let mut reader = FrameReader::new(reader, LIMIT);
    there.write_all(&theirs.encode().unwrap()).await.unwrap();
    handshake(&mut reader, &mut writer, ours, LIMIT).await
}

#[tokio::test(start_paused = true)]
async fn the_handshake_finds_the_highest_common_version() {
    let hello = |versions: &[u16]| Frame::Hello {
        versions: versions.to_vec(),
    };
    assert_eq!(greet(VERSIONS, hello(VERSIONS)).await, Ok(1));
    assert_eq!(greet(&[1, 2, 3], hello(&[4, 2, 1])).await, Ok(2));
    assert_eq!(
        greet(&[1, 2], hello(&[3])).await,
        Err(FrameError::NoCommonVersion {
            ours: vec![1, 2],
            theirs: vec![3]
        })
    );
    let crowd: Vec<u16> = (0..=16).collect();
    assert_eq!(greet(&[1], hello(&crowd)).await, Err(FrameError::NoHello));
    assert_eq!(
        greet(&[1], request(1, vec![])).await,
        Err(FrameError::NoHello)
    );
    assert_eq!(
        greet(&[1], farewell(Failure::Busy)).await,
        Err(FrameError::Refused(Failure::Busy))
    );
    let (here, _there) = duplex(4096);
    let (reader, mut writer) = split(here);
    let mut reader = FrameReader::new(reader, LIMIT);
    let silent = handshake(&mut reader, &mut writer, VERSIONS, LIMIT).await;
    assert_eq!(silent, Err(FrameError::Stalled));
}

/// Kernels that lose vsock packets beyond 32 KiB are never given one.
#[tokio::test]
async fn m7_no_write_is_longer_than_the_kernel_bears() {
    for body in [0, MAX_WRITE, 3 * MAX_WRITE + 1, MAX_BODY] {
        let framed = request(1, vec![7; body]).encode().unwrap();
        let mut stream = Longest(0, 0);
        write_frame(&mut stream, &framed, LIMIT).await.unwrap();
        assert_eq!(stream.1, framed.len());
        assert!(stream.0 <= 31 * 1024, "{}", stream.0);
    }
}
