//! Vectors, tolerances, refusals and properties of CACAO and ReCap.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a failing test says where

use openkey_capability::ability::Ability;
use openkey_capability::attenuation::Attenuation;
use openkey_capability::cacao::{Cacao, CacaoError, MAX_CACAO, SIGNATURE, Unsigned};
use openkey_capability::cid::Cid;
use openkey_capability::did::Did;
use openkey_capability::recap::{ReCap, RecapError};
use openkey_capability::siwe::{MAX_RESOURCES, Message};

#[path = "common/token.rs"]
mod token;

use token::{extended, fields, header, owner, replaced, signed, token as vector, vectors, wallet};

const SESSION: &str = "session";

fn rule(bytes: &[u8]) -> &'static str {
    match Cacao::decode(bytes) {
        Ok(cacao) => cacao.verify().map_or_else(CacaoError::rule, |_| "holds"),
        Err(error) => error.rule(),
    }
}

#[test]
fn vectors_are_built_byte_for_byte_and_read_back() {
    for vector in vectors() {
        let name = &vector.name;
        let message = Message::parse(&vector.text).unwrap();
        let unsigned = Unsigned::try_from(&message).unwrap();
        assert_eq!(unsigned.text(), vector.text, "{name}");
        assert_eq!(wallet(&unsigned.digest()), vector.signature(), "{name}");
        let cacao = unsigned.sign(&vector.signature()).unwrap();
        assert_eq!(cacao.as_bytes().len(), vector.length, "{name}");
        assert_eq!(cacao.cid().to_string(), vector.cid, "{name}");
        if let Some(base58) = &vector.base58 {
            assert_eq!(&cacao.cid().base58(), base58, "{name}");
        }
        if let Some(header) = &vector.header {
            assert_eq!(&cacao.header(), header, "{name}");
        }

        let read = Cacao::from_header(&cacao.header()).unwrap();
        assert_eq!(read, cacao, "{name}");
        // its name is among those of all its spellings
        let names = cacao.usual_names();
        assert!(names.contains(&cacao.cid()), "{name}");
        for offset in [0, 27, 54, 81] {
            let mut signature = vector.signature();
            signature[64] = signature[64] % 27 + offset;
            let other = unsigned.sign(&signature).unwrap();
            assert_eq!(other.usual_names(), names, "{name}");
            assert!(names.contains(&other.cid()), "{name}");
        }
        assert_eq!(read.verify(), Ok(owner()), "{name}");
        assert_eq!(read.text(), vector.text, "{name}");
        assert_eq!(read.fields(), message.fields(), "{name}");
        assert_eq!(read.signature(), &vector.signature(), "{name}");
        assert_eq!(read.issuer().as_str(), vector.issuer, "{name}");
        let issuer = Did::pkh(read.issuer_chain(), read.issuer_address());
        assert_eq!(issuer.as_str(), vector.issuer, "{name}");
        assert_eq!(read.audience(), vector.audience, "{name}");
        assert_eq!(read.nonce(), vector.nonce, "{name}");
        assert_eq!(read.issued_at().unix_ms(), vector.issued_at, "{name}");
        let expires = read.expires().map(|time| time.unix_ms());
        assert_eq!(expires, vector.expires, "{name}");
        assert_eq!(read.not_before(), None, "{name}");
        let revokes = read.revokes().map(|cid| cid.to_string());
        assert_eq!(revokes, vector.revokes, "{name}");
    }
}

#[test]
fn recaps_of_the_vectors_round_trip() {
    for vector in vectors() {
        let message = Message::parse(&vector.text).unwrap();
        let cacao = Unsigned::try_from(&message)
            .unwrap()
            .sign(&vector.signature())
            .unwrap();
        let recap = cacao.recap().unwrap();
        assert_eq!(recap.is_some(), vector.recap.is_some(), "{}", vector.name);
        let Some(recap) = recap else { continue };
        let written = vector.recap.unwrap();
        let att = serde_json::to_value(recap.attenuation()).unwrap();
        assert_eq!(att, written["att"], "{}", vector.name);
        assert!(recap.proofs().is_empty());
        let resources = message.fields().resources.as_deref().unwrap();
        assert_eq!(&recap.encode(), resources.last().unwrap());
        assert_eq!(message.fields().statement, Some(recap.statement()));

        // and the same from what is granted
        let mut bare = message.fields().clone();
        (bare.statement, bare.resources) = (None, None);
        let made = Unsigned::with_recap(bare, &recap).unwrap();
        assert_eq!(made.text(), vector.text);
    }
}

#[test]
fn a_header_is_read_in_every_usual_spelling() {
    for name in ["host", SESSION, "revocation"] {
        let (text, cacao) = (header(name), vector(name));
        let standard = text.replace('-', "+").replace('_', "/");
        for text in [
            text.trim_end_matches('=').to_owned(),
            standard.trim_end_matches('=').to_owned(),
            format!("Bearer {text}"),
            format!("bearer {standard}"),
            format!("Bearer  {text}"),
            format!(" {text} "),
            standard,
        ] {
            assert_eq!(Cacao::from_header(&text).unwrap(), cacao, "{text}");
        }
    }
    let text = header(SESSION);
    for (text, rule) in [
        (String::new(), "cbor"),
        ("Bearer ".to_owned(), "base64"),
        (format!("{text}="), "base64"),
        (format!("{text}\n"), "base64"),
        (format!("Basic {text}"), "base64"),
        (format!("Bearer Bearer {text}"), "base64"),
        (header("revocation").replace('-', "+"), "base64"),
        (text.replace("Bt", "é"), "base64"),
        ("A".repeat(2 * MAX_CACAO), "too_long"),
    ] {
        assert_eq!(Cacao::from_header(&text).unwrap_err().rule(), rule);
    }
}

#[test]
fn what_nobody_signs_may_differ() {
    let bytes = vector(SESSION).as_bytes().to_vec();
    let mixed = b"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
    // The address stands in the statement, too: this is the one of `iss`.
    let iss = [b"x;did:pkh:eip155:1:", &mixed[..]].concat();
    let lower = replaced(&bytes, &iss, &iss.to_ascii_lowercase());
    assert_eq!(rule(&lower), "holds");
    let lower = Cacao::decode(&lower).unwrap();
    assert_eq!(lower.text(), vector(SESSION).text());
    assert_eq!(lower.issuer(), vector(SESSION).issuer());

    let extra = extended(
        &bytes,
        b"jextrafield\xa2aa\xf6ab\x82\x01\xd8\x2a\x41\x00".as_slice(),
    );
    assert_eq!(rule(&extra), "holds");

    let original = vector(SESSION);
    for (other, v) in [(0x1b, 0), (0x1b, 27), (0x1b, 54), (0x1c, 1), (0x1c, 55)] {
        let mut signature = *original.signature();
        let fits = signature[64] == other;
        signature[64] = v;
        let tail = b"at\x66eip191";
        let ending = [&original.signature()[..], tail].concat();
        let changed = replaced(&bytes, &ending, &[&signature[..], tail].concat());
        let expected = if fits { "holds" } else { "signer" };
        assert_eq!(rule(&changed), expected, "{v}");
        if fits && v != 27 {
            // another name for one signed text
            let cacao = Cacao::decode(&changed).unwrap();
            assert_ne!(cacao.cid(), original.cid());
            assert_eq!(cacao.digest(), original.digest());
        }
    }
}

#[test]
fn any_changed_field_is_refused() {
    let bytes = vector(SESSION).as_bytes().to_vec();
    for (from, to) in [
        ("app.example", "apq.example"),
        ("x;did:pkh:eip155:1:", "x;did:pkh:eip155:2:"),
        ("x;did:pkh:eip155:1:0xf3", "x;did:pkh:eip155:1:0xf4"),
        ("caudxidid:key:z6Mkon3", "caudxidid:key:z6Mkon4"),
        ("abcdefgh12345678", "abcdefgh12345679"),
        ("2030-01-01", "2031-01-01"),
        ("2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00.001Z"),
        ("I further", "i further"),
        ("urn:recap:eyJhdHQ", "urn:recap:eyJhdHR"),
    ] {
        let changed = replaced(&bytes, from.as_bytes(), to.as_bytes());
        assert_eq!(rule(&changed), "signer", "{from} {to}");
    }
    // So is a field more and a field less.
    let other = signed(fields()).unwrap();
    let mut more = other.fields().clone();
    more.request_id = Some("1".to_owned());
    let sign = |fields| Unsigned::new(fields).unwrap().sign(other.signature());
    assert_eq!(sign(more.clone()), Err(CacaoError::Signer));
    more.request_id = None;
    more.statement = Some(String::new());
    assert_eq!(sign(more.clone()), Err(CacaoError::Signer));
    more.statement = None;
    assert_eq!(sign(more), Ok(other));
}

#[test]
fn signatures_of_other_shapes_are_refused() {
    let original = vector(SESSION);
    let bytes = original.as_bytes();
    let with = |signature: &[u8]| {
        let head = [0x58, u8::try_from(signature.len()).unwrap()];
        let from = [&[0x58, 0x41], &original.signature()[..]].concat();
        rule(&replaced(bytes, &from, &[&head, signature].concat()))
    };
    let good = *original.signature();
    let changed = |at: usize, to: u8| {
        let mut signature = good;
        signature[at] = to;
        with(&signature)
    };
    for v in [2, 26, 29, 35, 255] {
        assert_eq!(changed(64, v), "recovery_id", "{v}");
    }
    assert_eq!(changed(0, !good[0]), "signer");
    assert_eq!(with(&good[..64]), "signature_length");
    assert_eq!(with(&[&good[..], &[0]].concat()), "signature_length");
    assert_eq!(with(&[0; SIGNATURE]), "signature");
    assert_eq!(changed(32, 0xf0), "signature");

    // the other sign of `s`, with the other `v`
    let low = k256::ecdsa::Signature::from_slice(&good[..64]).unwrap();
    let (r, s) = low.split_scalars();
    let high = k256::ecdsa::Signature::from_scalars(*r, -*s).unwrap();
    let mut signature = good;
    signature[..64].copy_from_slice(&high.to_bytes());
    signature[64] = 27 + 28 - good[64];
    assert_eq!(with(&signature), "signature");
}

#[test]
fn other_shapes_are_refused_by_name() {
    let bytes = vector(SESSION).as_bytes().to_vec();
    for (from, to, rule_name) in [
        (&b"gversion\x01"[..], &b"gversiona1"[..], "version"),
        (b"gversion\x01", b"gversion\x02", "version"),
        (b"gversion\x01", b"gversion\x18\x01", "not_canonical"),
        (b"gversion\x01", b"gversiom\x01", "missing"),
        (b"fdomainkapp.example", b"fdomainKapp.example", "type"),
        (b"fdomainkapp.example", b"fdomain\xf6", "missing"),
        (b"fdomainkapp.example", b"fdomainkapp example", "domain"),
        (b"fdomainkapp.example", b"fdomainka\n0xapple12", "domain"),
        (b"fdomainkapp.example", b"fdomainkapp@example", "domain"),
        (
            b"did:pkh:eip155:1:0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266enonce",
            b"did:key:eip155:1:0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266enonce",
            "issuer",
        ),
        (b"abcdefgh12345678", b"abcdefgh1234567 ", "nonce"),
        (b"pabcdefgh12345678", b"`", "nonce"),
        (b"I further", b"I\nfurther", "statement"),
        (b"2030-01-01T", b"2030-01-01 ", "time"),
        (b"2026-01-01T", b"2026-13-01T", "time"),
        (b"caudxidid:key", b"caudxidid key", "audience"),
        (b"urn:recap:eyJhdHQ", b"urn:recap:eyJ dHQ", "resource"),
        (b"geip4361", b"gcaip122", "kind"),
        (b"feip191", b"feip712", "kind"),
        (b"ah\xa1at", b"ah\xa1ax", "unknown"),
        (b"\xa3ah", b"\xa2ah", "trailing_bytes"),
        (b"\xa3ah", b"\xa4ah", "cbor"),
        (b"\xa3ah", b"\xb8\x03ah", "not_canonical"),
        (b"ah\xa1atgeip4361", b"ah\xf6", "type"),
    ] {
        let changed = replaced(&bytes, from, to);
        let from = String::from_utf8_lossy(from);
        assert_eq!(rule(&changed), rule_name, "{from}");
    }
    for length in 0..bytes.len() {
        assert_eq!(rule(&bytes[..length]), "cbor", "{length}");
    }
    assert_eq!(rule(&[&bytes[..], &[0]].concat()), "trailing_bytes");
    assert_eq!(rule(&vec![0; MAX_CACAO + 1]), "too_long");
    let twice = extended(&bytes, b"istatementa ");
    assert_eq!(rule(&twice), "duplicate");
    let unsorted = extended(&bytes, b"czzza ");
    assert_eq!(rule(&unsorted), "not_canonical");
    let deep = [b"jextrafield", &[0x81; 9][..], &[0]].concat();
    assert_eq!(rule(&extended(&bytes, &deep)), "too_deep");
}

#[test]
fn a_request_id_is_read_under_both_names() {
    let mut with_id = fields();
    with_id.request_id = Some("7".to_owned());
    let cacao = signed(with_id).unwrap();
    let bytes = cacao.as_bytes();
    let other = replaced(bytes, b"jrequest_ida7", b"irequestIda7");
    let read = Cacao::decode(&other).unwrap();
    assert_eq!(read.fields(), cacao.fields());
    assert_eq!(read.verify(), Ok(owner()));
    assert!(read.text().ends_with("\nRequest ID: 7"));
    let mut both = replaced(bytes, b"jrequest_ida7", b"irequestIda7jrequest_ida7");
    let at = both.windows(2).position(|pair| pair == b"ap").unwrap() + 2;
    both[at] += 1;
    assert_eq!(rule(&both), "duplicate");
}

#[test]
fn an_empty_list_of_resources_is_none() {
    let cacao = signed(fields()).unwrap();
    let read = Cacao::decode(&extended(cacao.as_bytes(), b"iresources\x80")).unwrap();
    assert_eq!(read.text(), cacao.text());
    assert_eq!(read.verify(), Ok(owner()));
    let mut empty = fields();
    empty.resources = Some(Vec::new());
    assert_eq!(Unsigned::new(empty), Err(CacaoError::NoResources));
    let mut many = fields();
    many.resources = Some(vec!["a:b".to_owned(); MAX_RESOURCES + 1]);
    assert_eq!(Unsigned::new(many), Err(CacaoError::TooManyResources));
    let mut long = fields();
    long.statement = Some("a".repeat(MAX_CACAO));
    assert_eq!(Unsigned::new(long), Err(CacaoError::TooLong));
}

#[test]
fn only_the_last_resource_grants_and_the_statement_must_say_so() {
    let attenuation = Attenuation::new().with("a:b", Ability::parse("x/y").unwrap());
    let recap = ReCap::new(attenuation, vec![Cid::of(b"parent")]).unwrap();
    let (resource, sentence) = (recap.encode(), recap.statement());
    let granted = |statement: Option<&str>, resources: &[&str]| {
        let mut fields = fields();
        fields.statement = statement.map(str::to_owned);
        let resources: Vec<_> = resources.iter().map(|text| (*text).to_owned()).collect();
        fields.resources = (!resources.is_empty()).then_some(resources);
        signed(fields).unwrap().recap()
    };
    let own = format!("Välkommen! {sentence}");
    assert_eq!(
        granted(Some(&sentence), &[&resource]),
        Ok(Some(recap.clone()))
    );
    assert_eq!(granted(Some(&own), &["a:b", &resource]), Ok(Some(recap)));
    assert_eq!(granted(Some(&sentence), &[&resource, "a:b"]), Ok(None));
    assert_eq!(granted(Some(&sentence), &[]), Ok(None));
    for statement in [
        None,
        Some(""),
        Some("Hello."),
        Some(&*format!("{sentence} Not.")),
    ] {
        assert_eq!(granted(statement, &[&resource]), Err(RecapError::Statement));
    }
    let broken = granted(Some(&sentence), &["urn:recap:e30"]);
    assert_eq!(broken, Err(RecapError::Missing("att")));
}

#[test]
fn a_revocation_names_what_it_revokes() {
    let cid = Cid::of(b"token");
    let revokes = |audience: String| {
        let mut fields = fields();
        fields.uri = audience;
        signed(fields).unwrap().revokes()
    };
    assert_eq!(revokes(format!("ucan:{cid}")), Some(cid));
    assert_eq!(revokes(format!("ucan:{}", cid.base58())), Some(cid));
    for audience in [
        format!("urn:cid:{cid}"),
        format!("ucan:{cid}#a"),
        "ucan:".to_owned(),
    ] {
        assert_eq!(revokes(audience), None);
    }
}

#[test]
fn a_field_cannot_bring_a_line_of_its_own() {
    let smuggled = "a\n\nURI: https://other.example";
    let text = || smuggled.to_owned();
    let refused = |change: &dyn Fn(&mut openkey_capability::siwe::Fields)| {
        let mut fields = fields();
        change(&mut fields);
        Unsigned::new(fields).unwrap_err().rule()
    };
    assert_eq!(refused(&|f| f.scheme = Some(text())), "scheme");
    assert_eq!(refused(&|f| f.domain = text()), "domain");
    assert_eq!(
        refused(&|f| f.domain = "https://app.example".to_owned()),
        "domain"
    );
    assert_eq!(refused(&|f| f.statement = Some(text())), "statement");
    assert_eq!(
        refused(&|f| f.statement = Some("a\u{2028}b".to_owned())),
        "statement"
    );
    assert_eq!(refused(&|f| f.uri = text()), "audience");
    assert_eq!(refused(&|f| f.nonce = text()), "nonce");
    assert_eq!(refused(&|f| f.issued_at = text()), "time");
    assert_eq!(refused(&|f| f.expiration_time = Some(text())), "time");
    assert_eq!(refused(&|f| f.not_before = Some(text())), "time");
    assert_eq!(refused(&|f| f.request_id = Some(text())), "request_id");
    assert_eq!(refused(&|f| f.resources = Some(vec![text()])), "resource");
}
