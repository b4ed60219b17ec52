//! `openkey release`.

use openkey_cli::ReleaseKey;
use openkey_verifier::{
    anchor::ANCHOR_FILE,
    command::{configuration_hash, output, source},
    page::MAX_RELEASE_FILE as MAX_PAGE_FILE,
    release::{MAX_RELEASE_FILE, ReleaseFile, Text, rfc3339},
};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::{
    args::{Prepare, Release, ReleaseKeygen, Sign},
    files, page,
    stop::Stop,
};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

pub(crate) fn run(command: &Release) -> Result<(), Stop> {
    match command {
        Release::Keygen(args) => keygen(args),
        Release::Anchor(args) => page::anchor(args),
        Release::Page(args) => page::page(args),
        Release::Prepare(args) => prepare(args),
        Release::Sign(args) => sign(args),
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
    Ok(())
}

fn prepare(args: &Prepare) -> Result<(), Stop> {
    let draft = source::whole("draft", &args.draft, MAX_RELEASE_FILE)?;
    let mut manifest = object(&draft).ok_or_else(|| {
        let draft = args.draft.display();
        Stop::failed("draft", format!("{draft}: it is no JSON object"))
    })?;
    let configuration = args
        .configuration
        .as_deref()
        .map(configuration_hash)
        .transpose()?;
    let now = source::now()?;
    let mut later = now;
    if let Some(days) = args.days {
        later.0 += u64::from(days) * DAY_MS;
    }
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
        (
            "not_before",
            json!(args.not_before.clone().unwrap_or_else(|| rfc3339(now))),
        ),
        (
            "not_after",
            json!(args.not_after.clone().unwrap_or_else(|| rfc3339(later))),
        ),
    ] {
        // What the draft says already is the builder's, and not silently another.
        if manifest
            .get(member)
            .is_some_and(|known| !known.is_null() && *known != value)
        {
            return Err(Stop::failed(
                "draft",
                format!("the draft names another {member} already"),
            ));
        }
        manifest.insert(member.to_owned(), value);
    }
    let text: Text = serde_json::from_value(Value::Object(manifest))
        .map_err(|error| Stop::failed("draft", error.to_string()))?;
    let file = ReleaseFile::unsigned(text)?;
    files::write_new(&args.out, file.to_json()?.as_bytes())?;
    report(args.print.json, &file, "to be signed")
}

fn sign(args: &Sign) -> Result<(), Stop> {
    let key = files::release_key(&args.key)?;
    let mut file = ReleaseFile::from_json(&source::file(&args.file, MAX_RELEASE_FILE + 1)?)?;
    // What is signed is seen first: on stderr where stdout gets one JSON object.
    let look = words(&file)?;
    if args.print.json {
        output::aside(&look);
    } else {
        output::text(&format!("{look}\n"));
    }
    output::shown()?;
    key.sign(&mut file)?;
    source::replace(&args.file, file.to_json()?.as_bytes())?;
    if args.print.json {
        output::json(&view(&file)?);
    } else {
        output::text(&format!("signed by {}\n", key.public()));
    }
    Ok(())
}

fn object(bytes: &[u8]) -> Option<Map<String, Value>> {
    openkey_verifier::attestation::json::read(bytes).ok()
}

fn report(as_json: bool, file: &ReleaseFile, done: &str) -> Result<(), Stop> {
    if as_json {
        output::json(&view(file)?);
    } else {
        output::text(&format!("{}, {done}\n", words(file)?));
    }
    Ok(())
}

fn manifest_hash(file: &ReleaseFile) -> Result<String, Stop> {
    Ok(hex::encode(Sha256::digest(file.body()?)))
}

fn view(file: &ReleaseFile) -> Result<Value, Stop> {
    let manifest = file.unverified();
    Ok(json!({
        "release": manifest.release,
        "epoch": manifest.epoch,
        "manifest_sha256": manifest_hash(file)?,
    }))
}

fn words(file: &ReleaseFile) -> Result<String, Stop> {
    let manifest = file.unverified();
    Ok(format!(
        "release {} (epoch {}), manifest {}",
        manifest.release,
        manifest.epoch,
        manifest_hash(file)?
    ))
}
