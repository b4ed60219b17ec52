//! What a configuration decides, for people and programs who decide about it.

use base64ct::{Base64, Encoding};
use openkey_protocol::message::{OperatorKeys, RootSource};
use serde_json::{Value, json};

use super::output;
use crate::configuration::{self, Configuration, Keys, Kms, Operators};

/// A configuration as rows of label and value, with every member of it: each decides who gets keys, or
/// whom people deal with. A text of the configuration stands in a row of its own, so that it cannot pass for
/// a part of another one.
#[must_use]
pub fn configuration_rows(configuration: &Configuration) -> Vec<(&'static str, String)> {
    // Without `..`: a member that is not shown does not compile.
    let Configuration {
        rp_id,
        rp_name,
        origins,
        identity_providers,
        operators,
        release_keys,
        kms,
        root_sources,
        root_id,
        upgrade_delay_seconds,
        upgrade_consent: _,
    } = configuration;
    let hash = configuration.hash();
    let none = || "none".to_owned();
    let mut rows = vec![
        ("configuration", hash.to_string()),
        ("PCR16", configuration::pcr(hash).to_string()),
        ("root id", root_id.map_or_else(none, |id| id.to_string())),
        ("relying party", rp_id.clone()),
        ("its name", rp_name.clone()),
    ];
    let each = |rows: &mut Vec<_>, label, texts: &[String]| {
        let given = texts.iter().filter(|text| !text.is_empty());
        let before = rows.len();
        rows.extend(given.map(|text| (label, text.clone())));
        if rows.len() == before {
            rows.push((label, none()));
        }
    };
    each(&mut rows, "origin", origins);
    each(&mut rows, "identity provider", identity_providers);
    let sources: Vec<_> = root_sources.iter().map(|it| source_name(*it)).collect();
    each(&mut rows, "root key from", &[sources.join(", then ")]);
    match operators {
        None => rows.push(("operators", none())),
        Some(operators) => operator_rows(&mut rows, operators),
    }
    match kms {
        None => rows.push(("KMS", none())),
        Some(kms) => kms_rows(&mut rows, kms),
    }
    rows.push((
        "upgrade delay",
        output::count(*upgrade_delay_seconds, "second"),
    ));
    // What counts, whether or not the file says so.
    let consents = configuration.upgrade_consent();
    rows.push(("consents needed", consents.to_string()));
    match release_keys {
        None => rows.push(("release keys", none())),
        Some(Keys { threshold, keys }) => {
            rows.push((
                "release keys",
                format!(
                    "{threshold} of {} {}",
                    keys.len(),
                    if *threshold == 1 { "signs" } else { "sign" }
                ),
            ));
            rows.extend(keys.iter().map(|key| ("  release key", key.to_string())));
        }
    }
    rows
}

fn operator_rows(rows: &mut Vec<(&'static str, String)>, operators: &Operators) {
    let Operators { threshold, keys } = operators;
    rows.push((
        "operators",
        format!(
            "{threshold} of {} {} the root key",
            keys.len(),
            if *threshold == 1 { "makes" } else { "make" }
        ),
    ));
    for OperatorKeys {
        name,
        encryption,
        signing,
    } in keys
    {
        rows.push(("  operator", name.clone()));
        rows.push(("    encryption key", encryption.to_string()));
        rows.push(("    signing key", signing.to_string()));
    }
}

fn kms_rows(rows: &mut Vec<(&'static str, String)>, kms: &Kms) {
    let Kms {
        key_arn,
        region,
        tls_root,
    } = kms;
    rows.push(("KMS key", key_arn.clone()));
    rows.push(("  region", region.clone()));
    rows.push((
        "  TLS root",
        match tls_root {
            None => "those in the image".to_owned(),
            Some(der) => format!(
                "in place of those in the image: {}",
                der_text(der.as_slice())
            ),
        },
    ));
}

/// The same for programs, under the names of the file's members, with the hash and register 16.
#[must_use]
pub fn configuration_json(configuration: &Configuration) -> Value {
    // Without `..`: a member that is not shown does not compile.
    let Configuration {
        rp_id,
        rp_name,
        origins,
        identity_providers,
        operators,
        release_keys,
        kms,
        root_sources,
        root_id,
        upgrade_delay_seconds,
        upgrade_consent: _,
    } = configuration;
    let hash = configuration.hash();
    json!({
        "sha256": hash.to_string(),
        "pcr": configuration::pcr(hash).to_string(),
        "rp_id": rp_id,
        "rp_name": rp_name,
        "origins": origins,
        "identity_providers": identity_providers,
        "operators": operators.as_ref().map(|Operators { threshold, keys }| json!({
            "threshold": threshold,
            "keys": keys.iter().map(|OperatorKeys { name, encryption, signing }| json!({
                "name": name,
                "encryption": encryption.to_string(),
                "signing": signing.to_string(),
            })).collect::<Vec<_>>(),
        })),
        "release_keys": release_keys.as_ref().map(|Keys { threshold, keys }| json!({
            "threshold": threshold,
            "keys": keys.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })),
        "kms": kms.as_ref().map(|Kms { key_arn, region, tls_root }| json!({
            "key_arn": key_arn,
            "region": region,
            "tls_root": tls_root.as_ref().map(|der| der_text(der.as_slice())),
        })),
        "root_sources": root_sources,
        "root_id": root_id.map(|id| id.to_string()),
        "upgrade_delay_seconds": upgrade_delay_seconds,
        "upgrade_consent": configuration.upgrade_consent(),
    })
}

/// A certificate as the file has it.
fn der_text(der: &[u8]) -> String {
    Base64::encode_string(der)
}

/// A source as the file names it.
pub(super) const fn source_name(source: RootSource) -> &'static str {
    match source {
        RootSource::Development => "development",
        RootSource::HandOver => "hand_over",
        RootSource::Operators => "operators",
        RootSource::Kms => "kms",
    }
}
