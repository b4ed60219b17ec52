//! What a host serves as policy beside its page: the anchor, the list of releases, and the policy in
//! its configuration.

use openkey_verifier::{
    anchor::{
        ANCHOR_FILE, Anchor, AnchorError, MAX_ANCHOR, MAX_PUBLISHED, Published, ServedError,
        check_policy, check_published,
    },
    client::{ClientError, Host},
    command::Failure,
    page::{PageError, Release, config::Config, headers},
};

/// Longest `/config.json`, in bytes: a policy with all its roots, with room.
const MAX_CONFIG: usize = 512 * 1024;

/// One served file, and what is wrong with it: rule and message.
pub(crate) struct Served {
    pub(crate) path: &'static str,
    pub(crate) judged: Result<(), (&'static str, String)>,
}

/// Judges what is served as policy under the anchor that the release names. A page whose release
/// names none believes nothing, and nothing may be served as its anchor.
///
/// # Errors
///
/// A host that does not answer.
pub(crate) fn judge(
    host: &Host,
    release: &Release,
) -> Result<(Vec<Served>, Option<Config>), Failure> {
    let mut all = Vec::new();
    let mut note = |path, judged| all.push(Served { path, judged });
    let anchor = match anchor(host, release)? {
        Ok(anchor) => anchor,
        Err(refused) => {
            note("/anchor.json", Err(refused));
            None
        }
    };
    let (list, judged) = match fetch(host, "releases.json", MAX_PUBLISHED)? {
        None => (Published::default(), None),
        Some(Err(error)) => (Published::default(), Some(Err(error))),
        Some(Ok(body)) => match releases(&body, anchor.as_ref()) {
            Ok(list) => (list, Some(Ok(()))),
            Err(error) => (Published::default(), Some(Err(named(&error)))),
        },
    };
    if let Some(judged) = judged {
        note("/releases.json", judged);
    }
    let config = match fetch(host, "config.json", MAX_CONFIG)? {
        None => None,
        Some(Err(error)) => Some(Err(error)),
        Some(Ok(body)) => Some(config(&body, anchor.as_ref(), &list)),
    };
    if let Some(judged) = &config {
        note(
            "/config.json",
            judged.as_ref().map(drop).map_err(Clone::clone),
        );
    }
    Ok((all, config.and_then(Result::ok)))
}

type Refused = (&'static str, String);

/// The anchor that the release names; none if it names none. A host that answers otherwise than it did
/// when the page's files were judged is refused: nothing else is held to an anchor that it may leave out.
fn anchor(host: &Host, release: &Release) -> Result<Result<Option<Anchor>, Refused>, Failure> {
    let file = ANCHOR_FILE;
    let is_released = release.names().any(|name| name == file);
    let refused = |error: PageError| Ok(Err((error.rule(), error.to_string())));
    let body = match fetch(host, file, MAX_ANCHOR)? {
        Some(Ok(body)) => body,
        Some(Err(error)) => return Ok(Err(error)),
        None if is_released => {
            return refused(PageError::Missing {
                file: file.into(),
                status: 404,
            });
        }
        None => return Ok(Ok(None)),
    };
    if !is_released {
        return refused(PageError::NotReleased { file: file.into() });
    }
    if let Err(error) = release.check(file, &body) {
        return refused(error);
    }
    let anchor = Anchor::from_json(&body).and_then(|anchor| match anchor.simulator() {
        None => Ok(anchor),
        Some(_) => Err(AnchorError::Simulator),
    });
    Ok(match anchor {
        Ok(anchor) => Ok(Some(anchor)),
        Err(error) => Err((error.rule(), format!("{file}: {error}"))),
    })
}

fn releases(body: &[u8], anchor: Option<&Anchor>) -> Result<Published, ServedError> {
    let list = Published::from_json(body)?;
    if let Some(anchor) = anchor {
        check_published(anchor, &list)?;
    }
    Ok(list)
}

/// Every member of what the host tells the page.
fn config(body: &[u8], anchor: Option<&Anchor>, list: &Published) -> Result<Config, Refused> {
    let config =
        Config::from_json(body, anchor).map_err(|error| (error.rule(), error.to_string()))?;
    if let Some(policy) = &config.policy {
        check_policy(policy.to_string().as_bytes(), anchor, list).map_err(|error| named(&error))?;
    }
    Ok(config)
}

/// A file of at most `limit` bytes; `None` if there is none.
fn fetch(
    host: &Host,
    path: &str,
    limit: usize,
) -> Result<Option<Result<Vec<u8>, Refused>>, Failure> {
    let fetched = match host.get_as_browser(path, limit) {
        Ok(fetched) => fetched,
        Err(ClientError::TooLong(_)) => {
            let error = PageError::TooLong { file: path.into() };
            return Ok(Some(Err((error.rule(), error.to_string()))));
        }
        Err(error) => {
            let message = format!("{}/{path}: {error}", host.url());
            return Err(Failure::new(error.rule(), message));
        }
    };
    Ok(match fetched.status {
        200 => Some(match headers::check(path, &fetched.headers) {
            Ok(()) => Ok(fetched.body),
            Err(error) => Err((error.rule(), error.to_string())),
        }),
        404 => None,
        status => {
            let file = path.into();
            let error = PageError::Missing { file, status };
            Some(Err((error.rule(), error.to_string())))
        }
    })
}

fn named(error: &ServedError) -> Refused {
    (error.rule(), error.to_string())
}
