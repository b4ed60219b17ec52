//! `openkey release anchor`, `page` and `publish`: what browsers of one deployment are given.

use std::{
    collections::BTreeMap,
    fmt::Display,
    fs, io,
    path::{Path, PathBuf},
};

use openkey_verifier::{
    anchor::{
        ANCHOR_FILE, Anchor, AnchorError, MAX_ANCHOR, MAX_PUBLISHED, Published, PublishedError,
        ServedError, check_published, unusable,
    },
    command::{ConfigurationFile, output, source},
    page::{INDEX, MAX_FILE, MAX_FILES},
    release::{MAX_RELEASE_FILE, ReleaseError, ReleaseFile},
};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{
    args::{MakeAnchor, MakePage, Publish},
    files,
    stop::Stop,
};

/// Deepest directory of a page; it has one level of views and two of vendored modules.
const MAX_DEPTH: u32 = 8;

/// Makes the anchor of a configuration.
pub(crate) fn anchor(args: &MakeAnchor) -> Result<(), Stop> {
    let configuration = ConfigurationFile::read(&args.configuration)?.content;
    let text = Anchor::text_of(&configuration, args.min_epoch)?;
    files::write_new(&args.out, text.as_bytes())?;
    let anchor = Anchor::from_json(text.as_bytes())?;
    report(
        args.print.json,
        &json!({
            "anchor_sha256": anchor.hash().to_string(),
            "rp_id": anchor.rp_id(),
            "root_id": anchor.root_id().map(|id| id.to_string()),
            "min_epoch": anchor.min_epoch(),
        }),
        &format!(
            "anchor {} of {}: {} of {} release keys, epoch {} or higher\n",
            anchor.hash(),
            anchor.rp_id(),
            anchor.release_keys().threshold(),
            anchor.release_keys().keys().len(),
            anchor.min_epoch(),
        ),
    );
    Ok(())
}

/// Writes the page's code and a deployment's anchor into a directory of their own.
pub(crate) fn page(args: &MakePage) -> Result<(), Stop> {
    let bytes = source::file(&args.anchor, MAX_ANCHOR + 1)?;
    let anchor = released_anchor(&bytes, &args.anchor)?;
    let out = &args.out;
    // Beside foreign files nobody could say what the page is.
    let is_used = fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some());
    if is_used {
        let message = format!("{}: not empty; name a new directory", out.display());
        return Err(Stop::failed("cannot_write", message));
    }
    let mut page = BTreeMap::from([(ANCHOR_FILE.to_owned(), hash(&bytes))]);
    for (name, body) in openkey_host_proxy::page_files() {
        let path = out.join(&name);
        files::directory(path.parent().unwrap_or(out))?;
        files::write_new(&path, &body)?;
        page.insert(name, hash(&body));
    }
    files::write_new(&out.join(ANCHOR_FILE), &bytes)?;
    report(
        args.print.json,
        &json!({
            "version": 1,
            "page": page,
        }),
        &format!(
            "page of {}: {} files in {}, anchor {}\npage hash {}: `openkey release sign` shows the same\n",
            anchor.rp_id(),
            page.len(),
            out.display(),
            anchor.hash(),
            hash_of_list(&page),
        ),
    );
    Ok(())
}

/// Collects signed releases into the list that a host serves.
pub(crate) fn publish(args: &Publish) -> Result<(), Stop> {
    place_for_list(&args.out)?;
    let bytes = source::file(&args.anchor, MAX_ANCHOR + 1)?;
    let anchor = released_anchor(&bytes, &args.anchor)?;
    let mut list = Published::default();
    let mut releases = Vec::new();
    for path in &args.releases {
        let file = source::file(path, MAX_RELEASE_FILE + 1)?;
        list.add_release(&file)
            .map_err(|error| in_file(path, &error))?;
        releases.push((path, ReleaseFile::from_json(&file)?));
    }
    for path in &args.earlier {
        let text = String::from_utf8(source::file(path, MAX_ANCHOR + 1)?).map_err(|_| {
            Stop::failed("anchor_malformed", format!("{}: not text", path.display()))
        })?;
        list.add_anchor(text)
            .map_err(|error| in_file(path, &error))?;
    }
    check_published(&anchor, &list).map_err(|error| unpublished(&anchor, &releases, &error))?;
    let judged = unusable(&anchor, &list, source::now()?);
    let useless: Vec<_> = releases
        .iter()
        .zip(judged)
        .filter_map(|((path, release), error)| Some((*path, useless(&anchor, release, error?))))
        .collect();
    // A page that is given nothing else accepts no enclave.
    if useless.len() == args.releases.len() {
        for (path, (rule, message)) in useless.iter().skip(1) {
            output::error(rule, &format!("{}: {message}", path.display()));
        }
        if let Some((path, (rule, message))) = useless.first() {
            let message = format!("{}: {message}", path.display());
            return Err(Stop::refused(rule, message));
        }
    }
    let text = list
        .to_json()
        .map_err(|error| Stop::failed(error.rule(), error.to_string()))?;
    source::replace(&args.out, text.as_bytes())?;
    report(
        args.print.json,
        &json!({
            "releases": args.releases.len(),
            "anchors": args.earlier.len(),
            "unusable": useless.iter().map(|(path, (rule, message))| json!({
                "file": path.display().to_string(),
                "rule": rule,
                "message": message,
            })).collect::<Vec<_>>(),
        }),
        &format!(
            "{} and {} in {}\n{}",
            output::count(args.releases.len(), "release"),
            output::count(args.earlier.len(), "earlier anchor"),
            args.out.display(),
            useless
                .iter()
                .map(|(path, (rule, message))| format!(
                    "not accepted by a page now: {}: {rule}: {message}\n",
                    path.display(),
                ))
                .collect::<String>(),
        ),
    );
    Ok(())
}

/// Refuses to replace anything but a list of releases: another file may be the only copy of a key, or an input
/// of this very command.
fn place_for_list(out: &Path) -> Result<(), Stop> {
    if matches!(out.metadata(), Err(error) if error.kind() == io::ErrorKind::NotFound) {
        return Ok(());
    }
    // A pipe or a device is no list, and reading it may never end.
    let is_list = out.is_file()
        && source::file(out, MAX_PUBLISHED + 1)
            .is_ok_and(|file| Published::from_json(&file).is_ok());
    if is_list {
        return Ok(());
    }
    let message = format!(
        "{}: there is a file already that is no published list of releases, and it stays: name another file with \
         --out, or move that one away",
        out.display()
    );
    Err(Stop::failed("cannot_write", message))
}

/// Why a list is not published. A release that too few keys signed is named with those that are missing.
fn unpublished(anchor: &Anchor, releases: &[(&PathBuf, ReleaseFile)], error: &ServedError) -> Stop {
    if let ServedError::Published(PublishedError::Stranger(hash)) = error {
        let is_it = |release: &ReleaseFile| {
            let body = release.body().unwrap_or_default();
            Sha256::digest(body).as_slice() == hash.as_bytes()
        };
        if let Some((path, release)) = releases.iter().find(|(_, release)| is_it(release)) {
            let (rule, message) = signatures(anchor, release);
            return Stop::refused(rule, format!("{}: {message}", path.display()));
        }
    }
    Stop::refused(error.rule(), error.to_string())
}

/// Rule and message of a release by which a page accepts nothing now.
fn useless(anchor: &Anchor, release: &ReleaseFile, error: AnchorError) -> (&'static str, String) {
    match error {
        AnchorError::Release(ReleaseError::Signatures { .. }) => signatures(anchor, release),
        error => (error.rule(), error.to_string()),
    }
}

/// How many of an anchor's keys signed a release, and which did not.
fn signatures(anchor: &Anchor, release: &ReleaseFile) -> (&'static str, String) {
    let keys = anchor.release_keys();
    let signed = match release.signed_by(keys) {
        Ok(signed) => signed,
        Err(error) => return (error.rule(), error.to_string()),
    };
    let missing = keys.keys().iter().filter(|key| !signed.contains(key));
    let missing: Vec<_> = missing.map(ToString::to_string).collect();
    let (have, need) = (signed.len(), keys.threshold());
    let error = ReleaseError::Signatures {
        have: u32::try_from(have).unwrap_or(u32::MAX),
        need,
    };
    let message = format!(
        "the manifest has {have} of {} by the anchor's release keys; not signed by {} (`openkey release sign`)",
        output::count(need, "needed signature"),
        missing.join(", ")
    );
    (error.rule(), message)
}

/// The hashes of all files of a page's directory, with its anchor checked: of the bytes that were hashed.
pub(crate) fn of_directory(dir: &Path) -> Result<BTreeMap<String, String>, Stop> {
    let mut found = Found::default();
    collect(dir, "", 0, &mut found)?;
    let Found { page, anchor } = found;
    for name in [INDEX, ANCHOR_FILE] {
        if !page.contains_key(name) {
            let message = format!("{}: no {name} in it", dir.display());
            return Err(Stop::failed("page", message));
        }
    }
    released_anchor(&anchor, &dir.join(ANCHOR_FILE))?;
    Ok(page)
}

/// What a page's directory holds.
#[derive(Default)]
struct Found {
    /// The hash of each file.
    page: BTreeMap<String, String>,
    /// The bytes of the anchor.
    anchor: Vec<u8>,
}

/// One hash for all files of a page: SHA-256 of the lines that `sha256sum` prints for them, in the order of their
/// names.
pub(crate) fn hash_of_list<H: Display>(page: &BTreeMap<String, H>) -> String {
    let lines = page.iter().map(|(name, hash)| format!("{hash}  {name}\n"));
    hash(lines.collect::<String>().as_bytes())
}

fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn collect(dir: &Path, above: &str, depth: u32, found: &mut Found) -> Result<(), Stop> {
    let failed = |reason: &dyn std::fmt::Display| {
        Stop::failed("page", format!("{}: {reason}", dir.display()))
    };
    if depth > MAX_DEPTH {
        return Err(failed(&"too many directories below each other"));
    }
    for entry in fs::read_dir(dir).map_err(|error| failed(&source::words(&error)))? {
        let entry = entry.map_err(|error| failed(&source::words(&error)))?;
        let name = entry.file_name();
        let name = name.to_str().ok_or_else(|| failed(&"a name is not text"))?;
        let path = format!("{above}{name}");
        // A link could lead out of the directory, and means nothing to a browser.
        let kind = entry
            .file_type()
            .map_err(|error| failed(&source::words(&error)))?;
        if kind.is_dir() {
            collect(&entry.path(), &format!("{path}/"), depth + 1, found)?;
        } else if kind.is_file() {
            let bytes = source::file(&entry.path(), MAX_FILE + 1)?;
            if bytes.len() > MAX_FILE || found.page.len() >= MAX_FILES {
                return Err(failed(&"more files, or longer ones, than a page has"));
            }
            let is_anchor = path == ANCHOR_FILE;
            found.page.insert(path, hash(&bytes));
            if is_anchor {
                found.anchor = bytes;
            }
        } else {
            return Err(failed(&format!("{name} is neither a file nor a directory")));
        }
    }
    Ok(())
}

/// An anchor that a release may name.
fn released_anchor(bytes: &[u8], path: &Path) -> Result<Anchor, Stop> {
    let named =
        |error: AnchorError| Stop::refused(error.rule(), format!("{}: {error}", path.display()));
    let anchor = Anchor::from_json(bytes).map_err(named)?;
    if anchor.simulator().is_some() {
        return Err(named(AnchorError::Simulator));
    }
    Ok(anchor)
}

fn in_file(path: &Path, error: &PublishedError) -> Stop {
    Stop::refused(error.rule(), format!("{}: {error}", path.display()))
}

fn report(as_json: bool, json: &serde_json::Value, text: &str) {
    if as_json {
        output::json(json);
    } else {
        output::text(text);
    }
}
