//! `check`, `backup` and `restore`.

use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use openkey_node::upkeep::{self, Checked, Progress, UpkeepError};

use crate::say;

/// Between two lines of progress; what ends sooner has none.
const EVERY: Duration = Duration::from_secs(1);

struct Told {
    json: bool,
    last: Mutex<Instant>,
}

impl Told {
    fn new(json: bool) -> Self {
        Self {
            json,
            last: Mutex::new(Instant::now()),
        }
    }
}

impl Progress for Told {
    fn at(&self, what: &str, done: u64) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.json && last.elapsed() >= EVERY {
            *last = Instant::now();
            // nobody relies on it
            let _ = writeln!(std::io::stderr(), "{what}: {done} done");
        }
    }
}

pub(crate) async fn check(dir: &Path, json: bool) -> anyhow::Result<()> {
    let checked = upkeep::check(dir, &Told::new(json)).await?;
    told(&checked, json)?;
    anyhow::ensure!(
        checked.is_whole(),
        "{} is not whole: {}",
        dir.display(),
        many(checked.findings_in_all, "finding")
    );
    Ok(())
}

fn told(checked: &Checked, json: bool) -> anyhow::Result<()> {
    if json {
        return say::line(&serde_json::to_string(checked)?);
    }
    for finding in &checked.findings {
        say::line(&finding.to_string())?;
    }
    left_out(checked.findings_in_all, checked.findings.len())?;
    for garbage in &checked.garbage {
        say::line(garbage)?;
    }
    left_out(checked.garbage_in_all, checked.garbage.len())?;
    let read = [
        many(checked.values, "value"),
        format!(
            "{} ({})",
            many(checked.blobs, "blob"),
            many(checked.blob_bytes, "byte")
        ),
        many(checked.databases, "database"),
        many(checked.delegations, "delegation"),
    ];
    say::line(&format!(
        "{} and {} checked: {}",
        read.join(", "),
        many(checked.revocations, "revocation"),
        if checked.is_whole() {
            "all is whole"
        } else {
            "not all is whole; restore a backup"
        }
    ))
}

fn left_out(all: u64, named: usize) -> anyhow::Result<()> {
    match all.saturating_sub(named as u64) {
        0 => Ok(()),
        more => say::line(&format!("and {more} more")),
    }
}

fn many(count: u64, what: &str) -> String {
    let end = if count == 1 { "" } else { "s" };
    format!("{count} {what}{end}")
}

/// Names what kept a copy from being whole, and goes on with the error.
fn named<T>(done: Result<T, UpkeepError>, json: bool) -> anyhow::Result<T> {
    if let Some(found) = done.as_ref().err().and_then(UpkeepError::found) {
        told(found, json)?;
    }
    Ok(done?)
}

pub(crate) async fn backup(dir: &Path, to: &Path, json: bool) -> anyhow::Result<()> {
    let copied = named(upkeep::backup(dir, to, &Told::new(json)).await, json)?;
    if json {
        return say::line(&serde_json::to_string(&copied)?);
    }
    say::line(&format!(
        "{}: the store, {} and {}. It holds the node's secret: keep it as safe as the node.",
        to.display(),
        many(copied.blobs, "blob"),
        many(copied.databases, "database")
    ))
}

pub(crate) async fn restore(dir: &Path, from: &Path, json: bool) -> anyhow::Result<()> {
    let copied = named(upkeep::restore(dir, from, &Told::new(json)).await, json)?;
    if json {
        return say::line(&serde_json::to_string(&copied)?);
    }
    say::line(&format!(
        "{} holds what {} does, and is whole; start the node with --dir {0}",
        dir.display(),
        from.display()
    ))
}

pub(crate) async fn clock(dir: &Path, accept: bool, json: bool) -> anyhow::Result<()> {
    let times = upkeep::clock(dir, accept).await?;
    if json {
        return say::line(&serde_json::to_string(&times)?);
    }
    let off = (times.machine_ms - times.node_ms) / 1000;
    let where_to = if off < 0 { "behind" } else { "ahead of" };
    say::line(&match off {
        -1..=1 if accept => {
            "The node goes by the machine's clock; one that serves does within half a minute"
                .to_owned()
        }
        -1..=1 => "The node goes by the machine's clock".to_owned(),
        _ => format!(
            "The machine's clock is {} s {where_to} the node's time. If it is right, run `openkey-node clock --accept \
             --dir {}`",
            off.abs(),
            dir.display()
        ),
    })
}
