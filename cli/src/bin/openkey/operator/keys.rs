//! `openkey operator keygen` and `entry`.

use openkey_cli::{OperatorKey, PublicEntry};
use openkey_verifier::command::output;

use crate::{
    args::{Entry, Keygen},
    files,
    stop::Stop,
};

pub(super) fn keygen(args: &Keygen) -> Result<(), Stop> {
    let key = OperatorKey::generate(&args.name)?;
    files::write_secret(&args.out, &key.to_json())?;
    print(args.print.json, &key.entry());
    output::shown().map_err(|failure| {
        let out = args.out.display();
        let more =
            format!("the key is in {out}: `openkey operator entry --key {out}` prints its entry");
        Stop::from(failure).and(&more)
    })
}

pub(super) fn entry(args: &Entry) -> Result<(), Stop> {
    print(args.print.json, &files::operator_key(&args.key)?.entry());
    Ok(())
}

fn print(as_json: bool, entry: &PublicEntry) {
    if as_json {
        output::json(entry);
    } else {
        // Four texts always serialise.
        let text = serde_json::to_string_pretty(entry).unwrap_or_default();
        output::text(&format!("{text}\n"));
    }
}
