//! Questions about documents.

use base64ct::{Base64, Encoding};
use openkey_attestation::Pcrs;
use openkey_protocol::{
    cbor,
    message::{EVIDENCE_BINDING_VERSION, EvidenceBinding, Hash32, RollbackProtection, RootSource},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256, Sha384};

use crate::{
    Cases, ORIGIN,
    enclaves::{Enclave, NONCE, NOW, PCRS, REGION, SECOND, SIMULATOR_ID},
    identity,
};

const ZERO: [u8; 48] = [0; 48];

const CONFIGURATION: Hash32 = Hash32([0xcf; 32]);

/// What register 16 holds for this configuration: SHA-384 of 48 zero bytes and its hash.
fn pcr16(configuration: Hash32) -> [u8; 48] {
    let extended = [&ZERO[..], &configuration.0].concat();
    Sha384::digest(extended).into()
}

fn set(pcr0: [u8; 48]) -> Value {
    json!({ "0": hex::encode(pcr0), "16": hex::encode(pcr16(CONFIGURATION)) })
}

fn policy(enclave: &Enclave, simulator: bool) -> Value {
    json!({
        "version": 1,
        "measurements": [set([0xee; 48]), set(PCRS[0])],
        "roots": enclave.roots().to_pem(),
        "simulator": simulator,
    })
}

pub(crate) fn documents(cases: &mut Cases) {
    let enclave = Enclave::simulator();
    let binding = cbor::encode(&EvidenceBinding {
        version: EVIDENCE_BINDING_VERSION,
        identity: identity().verifying_key().to_bytes().into(),
        configuration: CONFIGURATION,
        root_source: Some(RootSource::Development),
        root_id: None,
        release: "1.2.3".into(),
        epoch: 3,
        tls_key: None,
        rollback: RollbackProtection::ClientsOnly,
        pending: None,
        withdrawn: None,
    })
    .unwrap();
    let pcr16 = pcr16(CONFIGURATION);
    let measurements: serde_json::Map<_, _> = (0..)
        .zip(PCRS)
        .chain([(16, pcr16)])
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
        "withdrawn": null,
    });
    let document = enclave.document_with(|payload| {
        assert!(payload.pcrs.insert(16, &pcr16));
        payload.user_data = Some(&binding);
    });
    let unbound = enclave.document_with(|payload| assert!(payload.pcrs.insert(16, &pcr16)));
    let unbound = Base64::encode_string(&unbound);
    let elsewhere = self::pcr16(Hash32([0xce; 32]));
    let lying = enclave.document_with(|payload| {
        assert!(payload.pcrs.insert(16, &elsewhere));
        payload.user_data = Some(&binding);
    });
    let debug = enclave.document_with(|payload| {
        payload.pcrs = Pcrs::new();
        (0..3).for_each(|index| assert!(payload.pcrs.insert(index, &ZERO)));
        assert!(payload.pcrs.insert(16, &pcr16));
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
    others["measurements"] = json!([set([0xee; 48])]);
    cases.bent("measurement_mismatch", "evidence", "policy", others);
    let mut none = ours.clone();
    none["measurements"] = json!([]);
    cases.bent("policy_without_measurements", "evidence", "policy", none);
    let mut unknown = ours.clone();
    unknown["pcrs"] = json!([]);
    cases.bent("policy_file_syntax", "evidence", "policy", unknown);
    cases.bent("input", "evidence", "policy", Value::Null);
    // The binding names another configuration than the document measured.
    let mut there = ours.clone();
    there["measurements"] = json!([{ "0": hex::encode(PCRS[0]), "16": hex::encode(elsewhere) }]);
    let input = json!({
        "op": "evidence",
        "document": Base64::encode_string(&lying),
        "nonce": hex::encode(NONCE),
        "now_ms": NOW.0 + 5_000,
        "policy": there,
    });
    cases.refused(
        "evidence of another configuration",
        "configuration_pcr",
        input,
    );
    let input = json!({
        "op": "archival",
        "document": Base64::encode_string(&lying),
        "policy": there,
    });
    cases.refused(
        "archival of another configuration",
        "configuration_pcr",
        input,
    );
    cases.bent("input", "evidence", "any_configuration", json!(true));
    cases.bent("input", "evidence", "origin", json!(ORIGIN));

    let input = json!({
        "op": "archival",
        "document": Base64::encode_string(&document),
        "policy": ours,
    });
    cases.ok("archival", &input, view(Some(&binding), bound.clone()));
    cases.bent("nonce_mismatch", "archival", "nonce", json!("00"));
    cases.bent("input", "archival", "now_ms", json!(NOW.0));
    let mut bare = ours;
    bare["measurements"] = json!([{ "0": hex::encode(PCRS[0]) }]);
    cases.bent("configuration_missing", "archival", "policy", bare.clone());
    let mut any = input.clone();
    any["policy"] = bare;
    any["any_configuration"] = json!(true);
    cases.ok(
        "archival with any configuration",
        &any,
        view(Some(&binding), bound),
    );
    let mut input = input;
    input["document"] = json!(unbound);
    input["nonce"] = json!(hex::encode(NONCE));
    cases.ok(
        "archival without a binding",
        &input,
        view(None, Value::Null),
    );
}
