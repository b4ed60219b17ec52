//! Any bytes as messages: the fuzz target's body, also run on its corpus by the tests.

use std::fmt::Debug;

use openkey_protocol::{
    cbor::{self, Limits},
    message::{
        AccountHead, AccountReceipt, Answer, BootFiles, Call, EvidenceBinding, GenesisTranscript,
        HostReply, HostRequest, Prompt, RelayReply, RelayRequest, Reply, Request, RootDescriptor,
        SecretOrder, StoreReply, StoreRequest, UpgradeConsent, UpgradeWithdrawal, WrappedRoot,
    },
};
use serde::{Serialize, de::DeserializeOwned};

pub(crate) fn run(bytes: &[u8]) {
    let read = [
        decode::<Call>(bytes),
        decode::<Request>(bytes),
        decode::<Answer>(bytes),
        decode::<Reply>(bytes),
        decode::<AccountHead>(bytes),
        decode::<AccountReceipt>(bytes),
        decode::<Prompt>(bytes),
        decode::<EvidenceBinding>(bytes),
        decode::<StoreRequest>(bytes),
        decode::<StoreReply>(bytes),
        decode::<HostRequest>(bytes),
        decode::<HostReply>(bytes),
        decode::<BootFiles>(bytes),
        decode::<RelayRequest>(bytes),
        decode::<RelayReply>(bytes),
        decode::<RootDescriptor>(bytes),
        decode::<GenesisTranscript>(bytes),
        decode::<WrappedRoot>(bytes),
        decode::<SecretOrder>(bytes),
        decode::<UpgradeConsent>(bytes),
        decode::<UpgradeWithdrawal>(bytes),
    ];
    if read.contains(&true) {
        assert_eq!(cbor::check(bytes, &Limits::default()), Ok(()));
    }
    if let Ok(request) = cbor::decode::<Request>(bytes) {
        let _ = (request.class(), request.head());
    }
}

/// What is read has these bytes as its one encoding, and shows itself without a panic.
fn decode<T: DeserializeOwned + Serialize + Debug>(bytes: &[u8]) -> bool {
    let read = cbor::decode::<T>(bytes);
    if let Ok(value) = &read {
        assert_eq!(cbor::encode(value).as_deref(), Ok(bytes));
        let _ = format!("{value:?}");
    }
    read.is_ok()
}
