//! Questions about documents.

use base64ct::{Base64, Encoding};
use openkey_attestation::Pcrs;
use openkey_protocol::{
    cbor,
    message::{EVIDENCE_BINDING_VERSION, EvidenceBinding, Hash32, RollbackProtection, RootSource},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    Cases, ORIGIN,
    enclaves::{Enclave, NONCE, NOW, PCRS, REGION, SECOND, SIMULATOR_ID},
    identity,
};

const ZERO: [u8; 48] = [0; 48];

fn policy(enclave: &Enclave, simulator: bool) -> Value {
    json!({
        "version": 1,
        "measurements": [{ "0": hex::encode([0xee; 48]) }, { "0": hex::encode(PCRS[0]) }],
        "roots": enclave.roots().to_pem(),
        "simulator": simulator,
    })
}

pub(crate) fn documents(cases: &mut Cases) {
    let enclave = Enclave::simulator();
    let binding = cbor::encode(&EvidenceBinding {
        version: EVIDENCE_BINDING_VERSION,
        identity: identity().verifying_key().to_bytes().into(),
        configuration: Hash32([0xcf; 32]),
        root_source: Some(RootSource::Development),
        root_id: None,
        release: "1.2.3".into(),
        epoch: 3,
        tls_key: None,
        rollback: RollbackProtection::ClientsOnly,
        pending: None,
    })
    .unwrap();
    let measurements: serde_json::Map<_, _> = (0..)
        .zip(PCRS)
        .map(|(index, pcr): (u8, _)| (index.to_string(), hex::encode(pcr).into()))
        .collect();
    let view = |user_data: Option<&[u8]>, binding: Value| {
        json!({
            "module_id": SIMULATOR_ID,
            "region": REGION,
            "timestamp_ms": NOW.0,
            "measurements": measurements,
            "simulator": true,
            "debug": false,
            "nonce": hex::encode(NONCE),
            "public_key": null,
            "user_data": user_data.map(hex::encode),
            "binding": binding,
            // The leaf is the first of the chain to end: three hours and three seconds.
            "certificate_expires_ms": (SECOND + 3 * 3600 + 3) * 1000,
            "root_sha256": hex::encode(Sha256::digest(&enclave.bundle[0])),
        })
    };
    let bound = json!({
        "identity": hex::encode(identity().verifying_key().as_bytes()),
        "configuration": "cf".repeat(32),
        "root_source": "development",
        "root_id": null,
        "release": "1.2.3",
        "epoch": 3,
        "tls_key": null,
        "rollback": "clients-only",
        "pending": null,
    });
    let document = enclave.document_with(|payload| payload.user_data = Some(&binding));
    let unbound = Base64::encode_string(&enclave.document());
    let debug = enclave.document_with(|payload| {
        payload.pcrs = Pcrs::new();
        (0..3).for_each(|index| assert!(payload.pcrs.insert(index, &ZERO)));
        payload.user_data = Some(&binding);
    });
    let ours = policy(&enclave, true);

    let input = json!({
        "op": "evidence",
        "document": Base64::encode_string(&document),
        "nonce": hex::encode(NONCE),
        "now_ms": NOW.0 + 5_000,
        "policy": ours,
    });
    cases.ok("evidence", &input, view(Some(&binding), bound.clone()));
    cases.bent("nonce_mismatch", "evidence", "nonce", json!("00"));
    cases.bent("expected_nonce_empty", "evidence", "nonce", json!(""));
    cases.bent("input", "evidence", "nonce", json!("zz"));
    cases.bent("input", "evidence", "nonce", Value::Null);
    cases.bent("input", "evidence", "now_ms", Value::Null);
    cases.bent("input", "evidence", "now_ms", json!(1.5));
    cases.bent("too_old", "evidence", "now_ms", json!(NOW.0 + 300_001));
    let early = json!(NOW.0 - 60_001);
    cases.bent("timestamp_in_the_future", "evidence", "now_ms", early);
    cases.bent("binding_missing", "evidence", "document", json!(unbound));
    let debug = json!(Base64::encode_string(&debug));
    cases.bent("debug_mode", "evidence", "document", debug);
    cases.bent("document_empty", "evidence", "document", json!(""));
    cases.bent("document_encoding", "evidence", "document", json!("*"));
    cases.bent("not_cose_sign1", "evidence", "document", json!("AAAA"));
    cases.bent("input", "evidence", "document", Value::Null);
    let mut changed = document.clone();
    changed[200] ^= 1;
    let changed = json!(Base64::encode_string(&changed));
    cases.bent("document_signature", "evidence", "document", changed);
    let hardware = policy(&enclave, false);
    cases.bent("simulator_document", "evidence", "policy", hardware);
    let mut aws = ours.clone();
    aws.as_object_mut().unwrap().remove("roots");
    cases.bent("unknown_root", "evidence", "policy", aws);
    let other = policy(&Enclave::simulator(), true);
    cases.bent("unknown_root", "evidence", "policy", other);
    let mut others = ours.clone();
    others["measurements"] = json!([{ "0": hex::encode([0xee; 48]) }]);
    cases.bent("measurement_mismatch", "evidence", "policy", others);
    let mut none = ours.clone();
    none["measurements"] = json!([]);
    cases.bent("policy_without_measurements", "evidence", "policy", none);
    let mut unknown = ours.clone();
    unknown["pcrs"] = json!([]);
    cases.bent("policy_file_syntax", "evidence", "policy", unknown);
    cases.bent("input", "evidence", "policy", Value::Null);
    cases.bent("input", "evidence", "origin", json!(ORIGIN));

    let input = json!({
        "op": "archival",
        "document": Base64::encode_string(&document),
        "policy": ours,
    });
    cases.ok("archival", &input, view(Some(&binding), bound));
    cases.bent("nonce_mismatch", "archival", "nonce", json!("00"));
    cases.bent("input", "archival", "now_ms", json!(NOW.0));
    let mut input = input;
    input["document"] = json!(unbound);
    input["nonce"] = json!(hex::encode(NONCE));
    cases.ok(
        "archival without a binding",
        &input,
        view(None, Value::Null),
    );
}
