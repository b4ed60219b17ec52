//! `openkey operator backup` and `restore`.

use std::{collections::BTreeMap, io::ErrorKind, path::Path};

use openkey_cli::{
    Approval, Backup as Bundle, MAX_APPROVAL_FILE, MAX_BACKUP_FILE, MAX_GENESIS_FILE,
};
use openkey_verifier::command::{configuration_json, output, source};
use serde_json::json;

use crate::{
    args::{Backup, Restore},
    files,
    operator::approved,
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
    let key = files::operator_key(&args.key)?;
    let bundle = Bundle::new(found, &args.root_id)?;
    bundle.ceremony().share(&key)?;
    let path = args.dir.join(Approval::FILE);
    if !path.exists() {
        return Err(Stop::failed(
            "approval_missing",
            format!(
                "{}: there is no such file; sign what you decided with `openkey operator approve`",
                path.display()
            ),
        ));
    }
    let approval = source::file(&path, MAX_APPROVAL_FILE + 1)?;
    let approval = Approval::from_json(&approval, &key.public().signing)?;
    let text = bundle.to_json(&approval)?;
    files::write_new(&args.out, text.as_bytes())?;
    report(args.print.json, &bundle, &args.out);
    Ok(())
}

pub(super) fn restore(args: &Restore) -> Result<(), Stop> {
    let file = source::file(&args.file, MAX_BACKUP_FILE + 1)?;
    let key = files::operator_key(&args.key)?;
    let (bundle, approval) = Bundle::from_json(&file, &args.root_id, &key.public().signing)?;
    bundle.ceremony().share(&key)?;
    let approval = approval.to_json();
    let all = bundle
        .files()
        .chain([(Approval::FILE, approval.as_bytes())]);
    files::write_all_new(&args.dir, all)?;
    report(args.print.json, &bundle, &args.dir);
    Ok(())
}

fn report(as_json: bool, bundle: &Bundle, to: &Path) {
    let names: Vec<_> = bundle.files().map(|(name, _)| name).collect();
    if as_json {
        output::json(&json!({
            "root_id": bundle.ceremony().root_id().to_string(),
            "files": names,
            "configuration": configuration_json(bundle.configuration()),
        }));
        return;
    }
    approved::print(false, bundle.configuration());
    output::text(&format!(
        "done: {} of root id {} in {}; your share opens, and you approved this configuration\n",
        names.join(", "),
        bundle.ceremony().root_id(),
        to.display(),
    ));
}
