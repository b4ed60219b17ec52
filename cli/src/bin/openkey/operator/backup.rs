//! `openkey operator backup` and `restore`.

use std::{collections::BTreeMap, io::ErrorKind, path::Path};

use openkey_cli::{Backup as Bundle, MAX_BACKUP_FILE, MAX_GENESIS_FILE};
use openkey_verifier::command::{output, source};
use serde_json::json;

use crate::{
    args::{Backup, Restore},
    files,
    stop::Stop,
};

pub(super) fn backup(args: &Backup) -> Result<(), Stop> {
    let mut found = BTreeMap::new();
    for name in Bundle::NAMES {
        let path = args.dir.join(name);
        let missing = matches!(path.metadata(), Err(error) if error.kind() == ErrorKind::NotFound);
        if !missing {
            found.insert(name.to_owned(), source::file(&path, MAX_GENESIS_FILE + 1)?);
        }
    }
    let bundle = Bundle::new(found, &args.root_id)?;
    own_share(&bundle, args.key.as_deref())?;
    files::write_new(&args.out, bundle.to_json().as_bytes())?;
    report(args.json, &bundle, args.key.is_some(), &args.out);
    Ok(())
}

pub(super) fn restore(args: &Restore) -> Result<(), Stop> {
    let file = source::file(&args.file, MAX_BACKUP_FILE + 1)?;
    let bundle = Bundle::from_json(&file, &args.root_id)?;
    own_share(&bundle, args.key.as_deref())?;
    files::directory(&args.dir)?;
    for (name, bytes) in bundle.files() {
        files::write_new(&args.dir.join(name), bytes)?;
    }
    report(args.json, &bundle, args.key.is_some(), &args.dir);
    Ok(())
}

fn own_share(bundle: &Bundle, key: Option<&Path>) -> Result<(), Stop> {
    if let Some(path) = key {
        bundle.ceremony().share(&files::operator_key(path)?)?;
    }
    Ok(())
}

fn report(as_json: bool, bundle: &Bundle, own_share: bool, to: &Path) {
    let names: Vec<_> = bundle.files().map(|(name, _)| name).collect();
    if as_json {
        output::json(&json!({
            "root_id": bundle.ceremony().root_id().to_string(),
            "files": names,
            "own_share": own_share,
        }));
        return;
    }
    let share = if own_share {
        "your share opens"
    } else {
        "your share was not checked: give --key"
    };
    output::text(&format!(
        "done: {} of root id {} in {}; {share}\n",
        names.join(", "),
        bundle.ceremony().root_id(),
        to.display(),
    ));
}
