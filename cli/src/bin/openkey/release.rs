//! `openkey release`.

use std::{fs, path::Path};

use openkey_cli::ReleaseKey;
use openkey_protocol::message::Hash32;
use openkey_verifier::{
    anchor::ANCHOR_FILE,
    command::{ConfigurationFile, output, source},
    page::MAX_RELEASE_FILE as MAX_PAGE_FILE,
    release::{MAX_RELEASE_FILE, Manifest, ReleaseError, ReleaseFile, Text, rfc3339},
};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::{
    args::{Prepare, Release, ReleaseKeygen},
    files, page, sign,
    stop::Stop,
};

pub(crate) fn run(command: &Release) -> Result<(), Stop> {
    match command {
        Release::Keygen(args) => keygen(args),
        Release::Anchor(args) => page::anchor(args),
        Release::Page(args) => page::page(args),
        Release::Prepare(args) => prepare(args),
        Release::Sign(args) => sign::sign(args),
        Release::Publish(args) => page::publish(args),
    }
}

fn keygen(args: &ReleaseKeygen) -> Result<(), Stop> {
    let key = ReleaseKey::generate()?;
    files::write_secret(&args.out, &key.to_json())?;
    if args.print.json {
        output::json(&json!({ "key": key.public().to_string() }));
    } else {
        output::text(&format!("{}\n", key.public()));
    }
    output::shown().map_err(|failure| {
        // No command prints the public key of a file, and this file was made a moment ago.
        let end = match fs::remove_file(&args.out) {
            Ok(()) => "is removed again: repeat the command",
            Err(_) => "stays, and its public key was not printed: remove it and repeat the command",
        };
        Stop::from(failure).and(&format!("the key in {} {end}", args.out.display()))
    })
}

fn prepare(args: &Prepare) -> Result<(), Stop> {
    let draft = source::whole("draft", &args.draft, MAX_RELEASE_FILE)?;
    let mut manifest = object(&draft).ok_or_else(|| {
        let draft = args.draft.display();
        let message = format!(
            "{draft}: it is no JSON object; take the draft.json that `openkey-image build` wrote"
        );
        Stop::failed("draft", message)
    })?;
    let (configuration, notice) = configuration(args.configuration.as_deref())?;
    let (from, until) = args
        .window(source::now()?)
        .map_err(|why| Stop::failed("draft", why))?;
    let page = match &args.page {
        None => Value::Null,
        Some(path) if path.is_dir() => json!(page::of_directory(path)?),
        Some(path) => {
            let page = object(&source::whole("page", path, MAX_PAGE_FILE)?)
                .and_then(|mut file| file.remove("page"))
                .ok_or_else(|| {
                    Stop::failed("page", format!("{}: it names no page", path.display()))
                })?;
            // Only the directory shows whether the anchor is a deployment's or a simulator's.
            if page.get(ANCHOR_FILE).is_some() {
                let message = format!(
                    "the file names {ANCHOR_FILE}: name the page's directory, so that the anchor is checked"
                );
                return Err(Stop::failed("page", message));
            }
            page
        }
    };
    for (member, value) in [
        (
            "configuration",
            json!(configuration.map(|hash| hash.to_string())),
        ),
        ("page", page),
        ("not_before", json!(rfc3339(from))),
        ("not_after", json!(rfc3339(until))),
    ] {
        // What the draft says already is the builder's, and not silently another.
        if manifest
            .get(member)
            .is_some_and(|known| !known.is_null() && *known != value)
        {
            return Err(Stop::failed(
                "draft",
                format!(
                    "{}: it names another {member} already; take the draft.json that `openkey-image build` wrote",
                    args.draft.display()
                ),
            ));
        }
        manifest.insert(member.to_owned(), value);
    }
    // Through text, so that the error names the member.
    let text: Text =
        openkey_verifier::attestation::json::read(Value::Object(manifest).to_string().as_bytes())
            .map_err(|error| {
            let draft = args.draft.display();
            let message =
                format!("{draft}: {error}; take the draft.json that `openkey-image build` wrote");
            Stop::failed("draft", message)
        })?;
    let file = ReleaseFile::unsigned(text)?;
    files::write_new(&args.out, file.to_json()?.as_bytes())?;
    if args.print.json {
        let mut json = view(&file)?;
        if let Some(json) = json.as_object_mut() {
            json.insert("notice".into(), json!(notice));
        }
        output::json(&json);
    } else {
        let Manifest {
            not_before,
            not_after,
            ..
        } = file.unverified();
        output::text(&format!(
            "release {} (epoch {}), manifest {}, to be signed\nvalid from {} to {}\n",
            file.unverified().release,
            file.unverified().epoch,
            manifest_hash(&file)?,
            rfc3339(*not_before),
            rfc3339(*not_after),
        ));
        if let Some(notice) = notice {
            output::text(&format!("NOTICE: {notice}\n"));
        }
    }
    Ok(())
}

/// The hash of the configuration of the flag, and what a release for it is not good for. A hash alone does not
/// say whether the configuration has a root id.
fn configuration(flag: Option<&str>) -> Result<(Option<Hash32>, Option<String>), Stop> {
    let Some(text) = flag else {
        let notice = "the release names no configuration: `openkey operator upgrade` and the page refuse it, and \
                      `openkey release publish` says so; prepare it with --configuration for those";
        return Ok((None, Some(notice.to_owned())));
    };
    if let Ok(hash) = text.parse() {
        return Ok((Some(hash), None));
    }
    let configuration = ConfigurationFile::read(Path::new(text))?.content;
    let notice = configuration.root_id.is_none().then(|| {
        format!(
            "{text} has no root_id, as before a genesis: an enclave with it gets no root key by `openkey operator \
             upgrade`, and no page of a list of `openkey release publish` accepts it; prepare the release with the \
             configuration.json that the genesis wrote"
        )
    });
    Ok((Some(configuration.hash()), notice))
}

fn object(bytes: &[u8]) -> Option<Map<String, Value>> {
    openkey_verifier::attestation::json::read(bytes).ok()
}

pub(crate) fn manifest_hash(file: &ReleaseFile) -> Result<String, ReleaseError> {
    Ok(hex::encode(Sha256::digest(file.body()?)))
}

/// A manifest, for programs.
pub(crate) fn view(file: &ReleaseFile) -> Result<Value, Stop> {
    let manifest = file.unverified();
    Ok(json!({
        "release": manifest.release,
        "epoch": manifest.epoch,
        "manifest_sha256": manifest_hash(file)?,
        "not_before": rfc3339(manifest.not_before),
        "not_after": rfc3339(manifest.not_after),
    }))
}
