//! Tokens that sign in to an app (ETHAuth): whoever holds the signature is the person there until its end.
//! They are signed without a contract, and the rules for site and end are those of every sign-in.

use openkey_protocol::message::{Line, Severity, Warning};

use super::{Context, shape::Shape, web::Site};
use crate::{
    asker::{self, Asker},
    typed_data::Value,
    words::{line, moment, quoted, warning},
};

/// Members that name whom the token signs in to: the app, and the origin of its page.
const SITES: [&str; 2] = ["app", "ogn"];
/// Longest token that is not dangerous by its end alone: thirty days, in seconds.
const LONG: i64 = 30 * 86_400;

/// The site is the one that asks, and the end is near.
pub(super) fn check(shape: &Shape<'_, '_>, context: Context<'_>) -> (Vec<Line>, Vec<Warning>) {
    let mut warnings = sites(shape, context);
    let now = context.now_ms.div_euclid(1000);
    let (made, ends) = (seconds(shape, "iat"), seconds(shape, "exp"));
    let at = |seconds: i64| moment(seconds.saturating_mul(1000), context.now_ms);
    let until = match ends {
        Some(ends) if ends > 0 => at(ends),
        _ => "No end is said".to_owned(),
    };
    let lines = Vec::from_iter(made.map(|it| line("Made", at(it))));
    let wrong = match ends {
        Some(ends) if ends > 0 && ends <= now => {
            Some("This token has expired. An app that takes it still does not look at its end.")
        }
        Some(ends) if ends > 0 && made.is_some_and(|it| ends <= it) => {
            Some("This token ends before it begins.")
        }
        Some(ends) if ends > 0 && ends.saturating_sub(now) > LONG => {
            Some("This token holds for more than thirty days.")
        }
        Some(ends) if ends > 0 => None,
        _ => Some("This token names no end: it may sign you in for ever."),
    };
    warnings.extend(wrong.map(|it| warning(Severity::Danger, it)));
    let lines = lines.into_iter().chain([line("Until", until)]);
    (lines.collect(), warnings)
}

/// What is wrong with whom it signs in to.
fn sites(shape: &Shape<'_, '_>, context: Context<'_>) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut is_named = false;
    for text in shape.texts(&SITES) {
        let Some(site) = Site::named(text) else {
            continue;
        };
        is_named = true;
        if site.is_plain() {
            warnings.extend(asker::foreign(context.asker, site.scheme, site.at));
        } else {
            let text = format!(
                "It says that it is for {}, where no browser could be.",
                quoted(text)
            );
            warnings.push(warning(Severity::Danger, text));
        }
    }
    if !is_named {
        let (severity, text) = match context.asker {
            Asker::Site(_) => (
                Severity::Attention,
                "It names no site: the app that it names may be another one than the site that asks.",
            ),
            Asker::Unknown | Asker::Page(_) => (
                Severity::Danger,
                "It names no site, and OpenKey cannot see which site asks. Sign only if you are at the \
                 app that it names yourself and began this there.",
            ),
        };
        warnings.push(warning(severity, text));
    }
    warnings
}

/// A time in seconds since 1970; the last there is, if it is later.
fn seconds(shape: &Shape<'_, '_>, name: &str) -> Option<i64> {
    let found = shape.all(&[name], |_, value| match value {
        Value::Integer { negative: true, .. } => Some(0),
        Value::Integer { magnitude, .. } => {
            let seconds = magnitude.to_u64().and_then(|it| i64::try_from(it).ok());
            Some(seconds.unwrap_or(i64::MAX))
        }
        _ => None,
    });
    found.into_iter().next()
}
