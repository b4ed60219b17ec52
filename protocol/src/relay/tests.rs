use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::*;
use crate::{
    cbor,
    transport::{Listen, memory},
};

const LIMIT: Duration = Duration::from_secs(1);

fn egress(host: &str) -> RelayRequest {
    RelayRequest::Egress {
        host: host.to_owned(),
        port: 443,
    }
}

#[tokio::test(start_paused = true)]
async fn after_the_words_the_connection_is_the_other_sides() {
    let (mut listener, connector) = memory::pair(4096);
    let client = RelayClient::new(connector);
    let host = async {
        let mut stream = listener.accept().await.unwrap();
        let asked = request(&mut stream, LIMIT).await.unwrap();
        assert_eq!(asked, egress("kms.example.org"));
        answer(&mut stream, &RelayReply::Connected, LIMIT)
            .await
            .unwrap();
        stream.write_all(b"first").await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), 7);
    };
    let asked = egress("kms.example.org");
    let enclave = async {
        let mut stream = client.open(&asked).await.unwrap();
        let mut first = [0; 5];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"first");
        stream.write_u8(7).await.unwrap();
    };
    tokio::join!(host, enclave);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_a_silence_and_nonsense_are_errors_without_the_hosts_words() {
    let (mut listener, connector) = memory::pair(4096);
    let client = RelayClient::new(connector);
    let refused = RelayReply::Refused {
        reason: "secret host words".to_owned(),
    };
    let encoded = cbor::encode(&refused).unwrap();
    let mut good = u16::try_from(encoded.len()).unwrap().to_be_bytes().to_vec();
    good.extend(encoded);
    let cases: [(Vec<u8>, io::ErrorKind); 4] = [
        (good, io::ErrorKind::ConnectionRefused),
        (vec![0, 2, b'x', b'y'], io::ErrorKind::InvalidData),
        (vec![0xff, 0xff, 1], io::ErrorKind::InvalidData),
        (vec![], io::ErrorKind::TimedOut),
    ];
    for (reply, expected) in cases {
        let host = async {
            let mut stream = listener.accept().await.unwrap();
            request(&mut stream, LIMIT).await.unwrap();
            stream.write_all(&reply).await.unwrap();
            stream
        };
        let asked = RelayRequest::Peer { index: 1 };
        let (error, _open) = tokio::join!(client.open(&asked), host);
        let error = error.err().unwrap();
        assert_eq!(error.kind(), expected);
        assert!(!error.to_string().contains("secret"));
    }
}

/// Lengths that would make the reader allocate, wait for ever, or take the other side's bytes.
#[tokio::test(start_paused = true)]
async fn h1_a_word_is_bounded_before_it_is_read() {
    let read = async |bytes: &[u8]| {
        let (mut here, mut there) = duplex(4096);
        there.write_all(bytes).await.unwrap();
        request(&mut here, LIMIT).await
    };
    let over = u16::try_from(MAX_RELAY_WORD + 1).unwrap().to_be_bytes();
    assert!(matches!(read(&over).await, Err(RelayError::Length(_))));
    assert!(matches!(read(&[0, 0]).await, Err(RelayError::Length(0))));
    assert!(matches!(read(&[0, 9, 1]).await, Err(RelayError::Stalled)));
    assert!(matches!(read(&[0]).await, Err(RelayError::Stalled)));
    let nested = [0, 6, 0x81, 0x81, 0x81, 0x81, 0x81, 0x80];
    assert!(matches!(read(&nested).await, Err(RelayError::Malformed(_))));
    let (mut here, _there) = duplex(4096);
    let long = RelayReply::Refused {
        reason: "x".repeat(MAX_RELAY_WORD),
    };
    assert!(matches!(
        answer(&mut here, &long, LIMIT).await,
        Err(RelayError::Length(_))
    ));
}
