//! Properties of CACAO and ReCap: what is made is read back, and nothing else reads the same.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a failing test says where

use core::num::NonZeroU64;

use openkey_capability::ability::Ability;
use openkey_capability::attenuation::Attenuation;
use openkey_capability::cacao::{Cacao, Unsigned};
use openkey_capability::cid::Cid;
use openkey_capability::recap::ReCap;
use openkey_capability::siwe::{Fields, Message};
use proptest::{collection, option, prelude::*};

#[expect(
    dead_code,
    reason = "the vectors and changed tokens are another test's"
)]
#[path = "common/token.rs"]
mod token;

#[path = "common/fuzz_cacao.rs"]
mod fuzz_cacao;
#[path = "common/fuzz_recap.rs"]
mod fuzz_recap;

const URI: &str =
    "[a-z]{1,8}:[A-Za-z0-9:._~-]{1,8}(/[A-Za-z0-9:._~-]{0,6}){0,3}(\\?[a-z=&]{0,6})?(#[a-z]{1,4})?";

prop_compose! {
    fn recap()(
        granted in collection::vec(
            (URI, "[a-z]{1,3}(\\.[a-z]{1,3}){0,1}/[a-zA-Z.*+_-]{1,4}"),
            0..8,
        ),
        proofs in collection::vec(any::<[u8; 32]>(), 0..4),
    ) -> ReCap {
        let attenuation = granted.into_iter().fold(Attenuation::new(), |att, (uri, ability)| {
            att.with(uri, Ability::parse(&ability).unwrap())
        });
        ReCap::new(attenuation, proofs.into_iter().map(Cid::from_digest).collect()).unwrap()
    }
}

prop_compose! {
    fn fields()(
        scheme in option::of("https|http|a[a-z0-9+.-]{0,4}"),
        domain in "[a-z0-9-]{1,12}(\\.[a-z]{2,5}){0,2}(:[1-9][0-9]{0,3})?",
        statement in option::of("[A-Za-z0-9äöü%\"é ._~/?#!$&'()*+,;=@-]{0,60}"),
        audience in URI,
        chain_id in 1..1_u64 << 53,
        nonce in "[A-Za-z0-9]{8,40}|[!-~]{1,20}",
        expires in option::of("20[0-9]{2}-0[1-9]-0[1-9]T00:00:00(\\.[0-9]{3})?Z"),
        not_before in option::of("20[0-9]{2}-0[1-9]-0[1-9]T00:00:00Z"),
        request_id in option::of("[A-Za-z0-9:@._-]{0,12}"),
        resources in option::of(collection::vec(URI, 1..5)),
    ) -> Fields {
        let mut fields = token::fields();
        fields.scheme = scheme;
        fields.domain = domain;
        fields.statement = statement;
        fields.uri = audience;
        fields.chain_id = NonZeroU64::new(chain_id).unwrap();
        fields.nonce = nonce;
        fields.expiration_time = expires;
        fields.not_before = not_before;
        fields.request_id = request_id;
        fields.resources = resources;
        fields
    }
}

proptest! {
    #[test]
    fn recaps_round_trip(recap in recap()) {
        let resource = recap.encode();
        let read = ReCap::parse(&resource).unwrap();
        prop_assert_eq!(&read, &recap);
        prop_assert_eq!(read.encode(), resource);
        prop_assert!(fuzz_recap::run(&recap.encode()));
    }

    #[test]
    fn tokens_round_trip(fields in fields(), recap in option::of(recap())) {
        let unsigned = match &recap {
            Some(recap) => Unsigned::with_recap(fields, recap).unwrap(),
            None => Unsigned::new(fields).unwrap(),
        };
        let cacao = token::signed(unsigned.fields().clone()).unwrap();
        let read = Cacao::from_header(&cacao.header()).unwrap();
        prop_assert_eq!(&read, &cacao);
        prop_assert_eq!(read.fields(), unsigned.fields());
        prop_assert_eq!(read.text(), unsigned.text());
        prop_assert_eq!(read.verify(), Ok(token::owner()));
        if let Some(recap) = recap {
            prop_assert_eq!(read.recap(), Ok(Some(recap)));
        }
        if let Ok(message) = Message::parse(&read.text()) {
            prop_assert_eq!(message.fields(), read.fields());
        }
        prop_assert_eq!(fuzz_cacao::run(cacao.as_bytes()), (true, true));
    }

    /// A changed byte is refused, or it is one that nobody signs.
    #[test]
    fn a_changed_token_says_the_same_or_nothing(
        fields in fields(), at in any::<prop::sample::Index>(), to in any::<u8>(),
    ) {
        let cacao = token::signed(fields).unwrap();
        let mut bytes = cacao.as_bytes().to_vec();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != to);
        bytes[at] = to;
        if let Ok(changed) = Cacao::decode(&bytes) && changed.verify().is_ok() {
            prop_assert_eq!(changed.text(), cacao.text());
            prop_assert_ne!(changed.cid(), cacao.cid());
        }
    }

    #[test]
    fn anything_is_judged(bytes in collection::vec(any::<u8>(), 0..200), text in any::<String>()) {
        fuzz_cacao::run(&bytes);
        fuzz_cacao::run(text.as_bytes());
        fuzz_recap::run(&text);
        fuzz_recap::run(&format!("urn:recap:{text}"));
    }
}
