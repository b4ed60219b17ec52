//! Tokens that name many things, as ordinary programs send them.

use openkey_capability::ability::Ability;
use openkey_capability::attenuation::Attenuation;
use openkey_capability::cacao::Unsigned;
use openkey_capability::recap::ReCap;
use openkey_capability::siwe::Fields;

use super::process::{Answer, Process, answer, head, now, own};
use super::tokens::{did, raw, within};

/// An invocation by the owner of something of many keys.
pub(crate) fn batch(count: usize, ability: &str) -> (Vec<String>, String) {
    // as long as keys often are: the token has 190 KB
    let keys: Vec<String> = (0..count)
        .map(|at| format!("photos/2026/{at:05}-{}.jpeg", "a".repeat(20)))
        .collect();
    let ability = Ability::parse(ability).unwrap();
    let grant = keys.iter().fold(Attenuation::new(), |all, key| {
        all.with(within(&format!("kv/{key}")), ability.clone())
    });
    (keys, raw(1, &did(1), now() + 200, &[], grant))
}

/// A form with a value for each key; `headers` come with each, every one with its line's end.
pub(crate) fn form(keys: &[String], value: &str, headers: &str) -> String {
    let mut form = String::new();
    for key in keys {
        form += &format!(
            "--b\r\ncontent-disposition: form-data; name=\"{key}\"; filename=\"f\"\r\n\
             content-type: text/plain\r\n{headers}\r\n{value}\r\n"
        );
    }
    form + "--b--\r\n"
}

pub(crate) async fn put(node: &Process, keys: &[String], token: &str, value: &str) -> Answer {
    put_with(node, keys, token, value, "").await
}

/// The same, with headers for each value.
pub(crate) async fn put_with(
    node: &Process,
    keys: &[String],
    token: &str,
    value: &str,
    headers: &str,
) -> Answer {
    let body = form(keys, value, headers);
    let more = "content-type: multipart/form-data; boundary=b\r\n";
    let head = head("POST /invoke", token, body.len(), more);
    node.raw(format!("{head}{body}").as_bytes()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h8_a_thousand_keys_are_written_and_read_with_one_token_each() {
    let node = Process::start(&[]).await;
    let (keys, token) = batch(1000, "tinycloud.kv/put");
    assert!(token.len() > 150_000, "{}", token.len());
    // the whole form is small, large, and larger than what is kept in memory of one
    for value in ["v", &"v".repeat(100), &"v".repeat(10_000)] {
        let (_, token) = batch(1000, "tinycloud.kv/put");
        let written = put(&node, &keys, &token, value).await;
        assert_eq!(written.status, 200, "{}", written.body);
        let (_, token) = batch(1000, "tinycloud.kv/get");
        let read = node.invoke(&token, "").await;
        assert_eq!(read.status, 200, "{}", read.body);
        let read: serde_json::Value = serde_json::from_str(&read.body).unwrap();
        let results = read["results"].as_array().unwrap();
        let size = value.len().to_string();
        assert_eq!(results.len(), 1000);
        assert!(
            results.iter().all(|item| item["ok"] == true
                && item["headers"]["content-length"].as_str() == Some(&*size))
        );
    }
    let (keys, token) = batch(1001, "tinycloud.kv/put");
    let refused = put(&node, &keys, &token, "v").await;
    assert_eq!(
        (refused.status, refused.body.as_str()),
        (413, "KV batch put takes at most 1000 keys")
    );
    let (_, token) = batch(1001, "tinycloud.kv/get");
    let refused = node.invoke(&token, "").await;
    assert_eq!(refused.status, 413, "{refused:?}");
}

/// As much as is promised, with a token as large as such tokens are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h8_a_batch_of_sixteen_mebibytes_is_read() {
    let node = Process::start(&[]).await;
    let (keys, token) = batch(1000, "tinycloud.kv/put");
    let value = "v".repeat(16_700);
    let written = put(&node, &keys, &token, &value).await;
    assert_eq!(written.status, 200, "{}", written.body);
    let (_, token) = batch(1000, "tinycloud.kv/get");
    let read = node.invoke(&token, "").await;
    assert_eq!(read.status, 200, "{}", read.body);
    let read: serde_json::Value = serde_json::from_str(&read.body).unwrap();
    let results = read["results"].as_array().unwrap();
    assert_eq!(results.len(), 1000);
    // one that is a blob, and larger
    let large = "w".repeat(100_000);
    let put = node
        .invoke(&own(&format!("kv/{}", keys[0]), "tinycloud.kv/put"), &large)
        .await;
    assert_eq!(put.status, 200, "{put:?}");
    let (_, token) = batch(1000, "tinycloud.kv/get");
    let refused = node.invoke(&token, "").await;
    assert_eq!(refused.status, 413, "{}", refused.body.len());
    assert!(refused.body.contains("16777216"), "{}", refused.body);
}

/// A wallet's sign-in for a manifest of so many paths.
fn sign_in(paths: usize) -> String {
    use k256::ecdsa::SigningKey;
    use sha3::{Digest as _, Keccak256};
    let wallet = SigningKey::from_slice(&[9; 32]).unwrap();
    let point = wallet.verifying_key().to_sec1_point(false);
    let hash = Keccak256::digest(&point.as_bytes()[1..]);
    let address: [u8; 20] = hash[12..].try_into().unwrap();
    let owner = openkey_capability::did::Did::pkh(std::num::NonZeroU64::MIN, &address);
    let space = openkey_capability::resource::SpaceId::new(&owner, "default").unwrap();
    let mut grant = Attenuation::new();
    for path in 0..paths {
        let resource = format!("{space}/kv/app.example/documents/{path:04}");
        for ability in ["get", "put", "del", "list", "metadata"] {
            let ability = Ability::parse(&format!("tinycloud.kv/{ability}")).unwrap();
            grant = grant.with(&resource, ability);
        }
    }
    let recap = ReCap::new(grant, Vec::new()).unwrap();
    let mut fields = Fields::new(
        "app.example",
        address,
        did(2).as_str(),
        std::num::NonZeroU64::MIN,
        "abcdefgh12345678",
        "2026-01-01T00:00:00.000Z",
    );
    fields.expiration_time = Some("2099-01-01T00:00:00.000Z".to_owned());
    let unsigned = Unsigned::with_recap(fields, &recap).unwrap();
    let (signature, recovery) = wallet.sign_prehash_recoverable(&unsigned.digest());
    let mut bytes = [0; 65];
    bytes[..64].copy_from_slice(&signature.to_bytes());
    bytes[64] = 27 + recovery.to_byte();
    unsigned.sign(&bytes).unwrap().header()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h8_a_sign_in_for_three_hundred_paths_is_accepted() {
    let node = Process::start(&[]).await;
    for paths in [150, 300] {
        let token = sign_in(paths);
        let answer = node
            .raw(head("POST /delegate", &token, 0, "").as_bytes())
            .await;
        assert_eq!(
            answer.status,
            200,
            "{paths} paths, {} bytes: {answer:?}",
            token.len()
        );
    }
}

/// What is too large is told with the bound, on a new connection, on a used one, and while it is still sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h8_a_token_or_a_head_too_large_is_told_with_its_bound() {
    let node = Process::start(&[]).await;
    for (size, text) in [
        (390 * 1024, "393216"),
        (450 * 1024, "409600"),
        (900 * 1024, "409600"),
    ] {
        for dot in ["", "."] {
            let token = format!("{dot}{}", "x".repeat(size));
            let answer = node
                .raw(head("POST /delegate", &token, 0, "").as_bytes())
                .await;
            assert_eq!(answer.status, 431, "{size}: {answer:?}");
            // base64 of 288 KiB
            let bound = if dot.is_empty() && text == "393216" {
                "294912"
            } else {
                text
            };
            assert!(answer.body.contains(bound), "{size}: {answer:?}");
        }
    }
    let mut stream = node.connect().await;
    let health = b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut stream, health)
        .await
        .unwrap();
    let mut first = [0; 12];
    tokio::io::AsyncReadExt::read_exact(&mut stream, &mut first)
        .await
        .unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let large = head("POST /delegate", &"x".repeat(450 * 1024), 0, "");
    let answer = answer(stream, large.as_bytes()).await;
    assert!(answer.body.contains("409600"), "{}", answer.body);
    // and who stays within the bounds is served
    let put = node.invoke(&own("kv/a", "tinycloud.kv/put"), "value").await;
    assert_eq!(put.status, 200);
}

/// Headers too many are told with their bound, and never given to the library that answers nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h8_headers_too_many_are_told_with_their_bound() {
    let node = Process::start_empty(&[]).await;
    for (more, status) in [(61, 200), (62, 431), (1000, 431)] {
        let more: String = (0..more).map(|at| format!("x-{at}: a\r\n")).collect();
        let asked =
            format!("GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\na: b\r\n{more}\r\n");
        let answer = node.raw(asked.as_bytes()).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.body.contains("at most 64 headers"), status == 431);
    }
}
