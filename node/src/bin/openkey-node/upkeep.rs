//! `check`, `backup` and `restore`.

use std::path::Path;

use openkey_node::upkeep::{self, Progress};

struct Told {
    json: bool,
}

impl Progress for Told {
    fn at(&self, what: &str, done: u64) {
        if !self.json {
            eprintln!("{what}: {done}");
        }
    }
}

pub(crate) async fn check(dir: &Path, json: bool) -> anyhow::Result<()> {
    let checked = upkeep::check(dir, &Told { json }).await?;
    if json {
        println!("{}", serde_json::to_string(&checked)?);
    } else {
        for finding in &checked.findings {
            println!("{finding}");
        }
        println!(
            "{} blobs ({} bytes) and {} databases checked: {}",
            checked.blobs,
            checked.blob_bytes,
            checked.databases,
            if checked.findings.is_empty() {
                "all is whole"
            } else {
                "not all is whole; restore a backup"
            },
        );
    }
    anyhow::ensure!(
        checked.findings.is_empty(),
        "{} findings",
        checked.findings.len()
    );
    Ok(())
}

pub(crate) async fn backup(dir: &Path, to: &Path, json: bool) -> anyhow::Result<()> {
    let copied = upkeep::backup(dir, to, &Told { json }).await?;
    if json {
        println!("{}", serde_json::to_string(&copied)?);
    } else {
        println!(
            "{}: the store, {} blobs and {} databases. It holds the node's secret: keep it as safe as the node.",
            to.display(),
            copied.blobs,
            copied.databases
        );
    }
    Ok(())
}

pub(crate) fn restore(dir: &Path, from: &Path, json: bool) -> anyhow::Result<()> {
    let copied = upkeep::restore(dir, from, &Told { json })?;
    if json {
        println!("{}", serde_json::to_string(&copied)?);
    } else {
        println!(
            "{} holds what {} does; start the node with --dir {0}",
            dir.display(),
            from.display()
        );
    }
    Ok(())
}
