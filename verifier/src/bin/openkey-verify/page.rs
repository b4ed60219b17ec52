//! `openkey-verify page`.

use std::collections::BTreeSet;

use openkey_verifier::{
    anchor::ANCHOR_FILE,
    client::{ClientError, Host},
    command::{Failure, Verdict, output, read_keys, source},
    page::{INDEX, MAX_FILE, MAX_RELEASE_FILE, PageError, Release, config::Config, headers},
    release,
};
use serde::Serialize;

use crate::{args::PageArgs, served};

#[derive(Serialize)]
struct PageView<'a> {
    verdict: &'static str,
    url: &'a str,
    files: Vec<FileView>,
    /// Where the host says that the page belongs, and which node it chose; absent if it does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<ConfigView>,
}

#[derive(Serialize)]
struct ConfigView {
    origin: String,
    node: Option<String>,
}

#[derive(Serialize)]
struct FileView {
    path: String,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

pub(crate) fn run(args: &PageArgs) -> Result<Verdict, Failure> {
    let release = released(args)?;
    let progress = args.time.begin();
    let host = Host::new(&args.url)
        .map_err(|error| Failure::new(error.rule(), error.to_string()))?
        .until(progress.deadline());

    // The root of the origin is what people open: it must be the index, too.
    let paths = std::iter::once(("", INDEX)).chain(release.names().map(|name| (name, name)));
    let mut files = Vec::new();
    for (path, name) in paths {
        let asked = || format!("{}/{path}", host.url());
        let judged = match progress.during(asked, || judge(&host, &release, path, name)) {
            Ok(judged) => judged,
            // A host that goes silent after a wrong file was still seen to serve it.
            Err(_) if files.iter().any(|file: &FileView| file.rule.is_some()) => break,
            Err(failure) => return Err(failure),
        };
        files.push(FileView {
            path: format!("/{path}"),
            verdict: if judged.is_ok() {
                "accepted"
            } else {
                "refused"
            },
            rule: judged.as_ref().err().map(PageError::rule),
            message: judged.err().map(|error| error.to_string()),
        });
    }

    let (more, config) = beside(&host, &release, &files)?;
    files.extend(more);

    let refused = files.iter().filter(|file| file.rule.is_some());
    let verdict = if refused.clone().next().is_none() {
        Verdict::Accepted
    } else {
        Verdict::Refused
    };
    // The root of the origin is the index: what is wrong with both is said once.
    let mut told = BTreeSet::new();
    for file in refused {
        let line = (
            file.rule.unwrap_or_default(),
            file.message.as_deref().unwrap_or_default(),
        );
        if told.insert(line) {
            output::error(line.0, line.1);
        }
    }
    if args.json {
        output::json(&PageView {
            verdict: match verdict {
                Verdict::Accepted => "accepted",
                _ => "refused",
            },
            url: host.url(),
            files,
            config: config.map(|config| ConfigView {
                origin: config.origin,
                node: config.node,
            }),
        });
    } else if verdict == Verdict::Accepted {
        output::text(&format!(
            "accepted: all {} files at {} are the released ones, byte for byte\n{}",
            release.names().count() + 1,
            host.url(),
            if release.names().any(|name| name == ANCHOR_FILE) {
                "its anchor is the released one, and nothing beside it widens what it accepts\n"
            } else {
                "it has no anchor: it accepts no enclave, and says that no release is known\n"
            },
        ));
        if let Some(config) = config {
            let node = config.node.as_deref().unwrap_or("none");
            output::text(&format!(
                "the host's own choice, which no release names: origin {}, node {node}\n",
                config.origin
            ));
        }
    }
    Ok(verdict)
}

/// What is served as policy. A host that goes silent after a wrong file was still seen to serve it.
fn beside(
    host: &Host,
    release: &Release,
    files: &[FileView],
) -> Result<(Vec<FileView>, Option<Config>), Failure> {
    let (all, config) = match served::judge(host, release) {
        Ok(all) => all,
        Err(_) if files.iter().any(|file| file.rule.is_some()) => return Ok((Vec::new(), None)),
        Err(failure) => return Err(failure),
    };
    let view = |one: served::Served| {
        let (rule, message) = one.judged.err().unzip();
        FileView {
            path: one.path.into(),
            verdict: if rule.is_none() {
                "accepted"
            } else {
                "refused"
            },
            rule,
            message,
        }
    };
    Ok((all.into_iter().map(view).collect(), config))
}

/// What was released: as a file says, or a manifest that enough release keys signed.
fn released(args: &PageArgs) -> Result<Release, Failure> {
    let failed = |rule, error: &dyn core::fmt::Display| {
        Failure::new(rule, format!("{}: {error}", args.release.display()))
    };
    let file = source::file(&args.release, MAX_RELEASE_FILE + 1)?;
    let Some(keys) = &args.keys else {
        return Release::from_json(&file).map_err(|error| failed("release_file", &error));
    };
    let release = release::verify(&file, &read_keys(keys)?, source::now()?)
        .map_err(|error| failed(error.rule(), &error))?;
    Release::of_manifest(release.manifest())
        .ok_or_else(|| failed("release_file", &"the release manifest names no page"))
}

fn judge(
    host: &Host,
    release: &Release,
    path: &str,
    name: &str,
) -> Result<Result<(), PageError>, Failure> {
    let file = || format!("/{path}");
    let fetched = match host.get_as_browser(path, MAX_FILE) {
        Ok(fetched) => fetched,
        Err(ClientError::TooLong(_)) => return Ok(Err(PageError::TooLong { file: file() })),
        Err(error) => {
            let message = format!("{}/{path}: {error}", host.url());
            return Err(Failure::new(error.rule(), message));
        }
    };
    if fetched.status != 200 {
        return Ok(Err(PageError::Missing {
            file: file(),
            status: fetched.status,
        }));
    }
    Ok(headers::check(&file(), &fetched.headers).and_then(|()| release.check(name, &fetched.body)))
}
