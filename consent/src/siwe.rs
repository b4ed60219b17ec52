//! Sign-In with Ethereum: ERC-4361 under the EIP-191 prefix.

use openkey_capability::{
    cacao::eip191,
    cid::Cid,
    recap::ReCap,
    siwe::{Message, mentions_recap},
    uri::{parse_authority, parse_uri},
};
use openkey_protocol::message::{
    Address, Error, ErrorCode, Line, PromptKind, Severity, Summary, Warning,
};

use super::{
    SigningRequest, address_text, chains, fold, recap,
    refusal::{check_size, refuse},
    words::{line, moment, most_severe_first, quoted, shown, warning},
};

/// Longest sign-in that needs no second look: thirty days, in milliseconds.
const LONG: i64 = 30 * 86_400_000;
/// Longest domain in a title, in characters; the whole is on the line below.
const MAX_TITLE: usize = 80;
/// How far ahead of the enclave's clock an honest page's may be, in milliseconds.
const SKEW: i64 = 5 * 60_000;

/// Reads a sign-in message. `origin` is that of the page that asks, if it is known.
pub(super) fn read(
    text: &str,
    signer: &Address,
    origin: Option<&str>,
    now_ms: i64,
) -> Result<SigningRequest, Error> {
    check_size(text)?;
    let message = Message::parse(text).map_err(|error| {
        // A ReCap that does not parse must not be called something else.
        let what = if mentions_recap(text) {
            "This sign-in hands out permissions, but it is not in its exact form"
        } else {
            "This is not a sign-in message in its exact form"
        };
        refuse(
            ErrorCode::SiweRefused,
            error.rule(),
            &format!("{what}: {error}."),
            "Tell the app's maker; nothing was signed.",
        )
    })?;
    let fields = message.fields();
    if fields.address != *signer.as_bytes() {
        return Err(refuse(
            ErrorCode::SiweUnsupported,
            "other_address",
            &format!(
                "This sign-in is for the address {}, but the key's is {}.",
                address_text(&Address(fields.address)),
                address_text(signer)
            ),
            "Choose the key that the sign-in names, or ask the app for a new one.",
        ));
    }
    let span = Span::of(&message, now_ms)?;
    let recap = recap::read(&message)?;
    let mut lines = lines(&message, recap.as_ref(), &span, now_ms);
    let mut warnings = warnings(&message, recap.is_some(), &span, now_ms);
    let mut title = format!("Sign in to {}", shown(&fields.domain, MAX_TITLE));
    let mut what = vec![line("What", "Sign in as you, with the address below")];
    let mut grants = Vec::new();
    let mut is_hosting = false;
    // One text can do several things; the title names them all.
    if let Some(recap) = &recap {
        let granted = recap::explain(&message, recap)?;
        title = format!("{title} and {}", granted.does);
        is_hosting = granted.is_hosting;
        grants = granted.grants;
        warnings.extend(granted.warnings);
        what.extend(granted.lines);
    }
    let revoked = revoked(&fields.uri);
    if let Some(cid) = revoked {
        // The signed message is all that a node needs to end it.
        title.push_str(" and take back a permission");
        what.push(line(
            "What",
            format!("Take back the permission {cid}, and all that was handed on from it"),
        ));
    }
    if revoked.is_none() && names_a_token(&fields.uri) {
        warnings.push(warning(
            Severity::Danger,
            format!(
                "The address {} looks like a permission to be taken back, written in a way that not all \
                 programs read alike: some would take the permission back.",
                quoted(&fields.uri)
            ),
        ));
    }
    let does_more = is_hosting || revoked.is_some();
    if does_more && !origin.is_some_and(|origin| is_of(&message, origin)) {
        warnings.push(foreign(&fields.domain, origin));
    }
    // After who asks.
    lines.splice(1..1, what);
    let (shown, runs) = fold::folded(text);
    warnings.extend(runs.warning());
    let warnings = most_severe_first(warnings);
    let confirm = warnings.iter().any(|it| it.severity == Severity::Danger);
    Ok(SigningRequest {
        kind: PromptKind::SignSiwe,
        digest: eip191(text),
        summary: Summary {
            title,
            lines,
            grants,
            warnings,
            text: Some(shown),
            confirm,
        },
    })
}

/// A sign-in that does more than to sign in, for another site than the one that asks.
fn foreign(domain: &str, origin: Option<&str>) -> Warning {
    let asks = origin.map_or_else(
        || "it is not known which page asks for it".to_owned(),
        |origin| format!("the page that asks for it is {}", quoted(origin)),
    );
    warning(
        Severity::Danger,
        format!(
            "This signs you in to {}, and {asks}. It also does something else, which the title \
             names. No honest page asks for both in the name of another site.",
            quoted(domain)
        ),
    )
}

/// Whether a URI is of the scheme by which tokens are taken back, in any case. Readers exist that skip
/// what stands before a CID or behind it, and revoke what this one does not call a revocation.
fn names_a_token(uri: &str) -> bool {
    uri.split_once(':')
        .is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("ucan"))
}

/// The token that a message takes back: who signs it for `ucan:<cid>` revokes.
fn revoked(uri: &str) -> Option<Cid> {
    Cid::parse(uri.strip_prefix("ucan:")?).ok()
}

/// True if the domain of a message is host and port of an origin, and so is its scheme if it has one.
fn is_of(message: &Message, origin: &str) -> bool {
    let fields = message.fields();
    let Ok(asking) = parse_uri(origin) else {
        return false;
    };
    let (Some(at), Some(domain)) = (asking.authority, parse_authority(&fields.domain)) else {
        return false;
    };
    let port = |port: Option<&str>| port.map_or_else(|| default_port(asking.scheme), str::to_owned);
    let is_same_scheme = fields
        .scheme
        .as_ref()
        .is_none_or(|scheme| scheme.eq_ignore_ascii_case(asking.scheme));
    is_web(asking.scheme)
        && is_same_scheme
        && at.userinfo.is_none()
        && at.host.eq_ignore_ascii_case(domain.host)
        && port(at.port) == port(domain.port)
}

/// From when until when a sign-in holds, in milliseconds since 1970.
struct Span {
    begins: i64,
    ends: Option<i64>,
}

impl Span {
    /// Refuses a message that has ended or never holds.
    fn of(message: &Message, now_ms: i64) -> Result<Self, Error> {
        let ends = message.expiration_time().map(|time| time.unix_ms());
        let begins = message
            .not_before()
            .map_or(message.issued_at().unix_ms(), |time| time.unix_ms());
        if ends.is_some_and(|ends| ends <= now_ms) {
            return Err(refuse(
                ErrorCode::SiweUnsupported,
                "expired",
                &format!(
                    "This sign-in has expired: it ended on {}.",
                    moment(ends.unwrap_or_default(), now_ms)
                ),
                "Ask the app for a new one.",
            ));
        }
        if ends.is_some_and(|ends| ends <= begins) {
            return Err(refuse(
                ErrorCode::SiweUnsupported,
                "never_valid",
                &format!(
                    "This sign-in ends before it begins: it would begin on {} and end on {}.",
                    moment(begins, now_ms),
                    moment(ends.unwrap_or_default(), now_ms)
                ),
                "Ask the app for a new one.",
            ));
        }
        Ok(Self { begins, ends })
    }
}

fn lines(message: &Message, recap: Option<&ReCap>, span: &Span, now_ms: i64) -> Vec<Line> {
    let fields = message.fields();
    let origin = fields.scheme.as_ref().map_or_else(
        || fields.domain.clone(),
        |scheme| format!("{scheme}://{}", fields.domain),
    );
    let mut lines = vec![line("Who asks", origin)];
    // The generated sentence is told permission by permission.
    let own = fields
        .statement
        .as_deref()
        .and_then(|statement| match recap {
            Some(recap) => recap::own_words(statement, recap).filter(|own| !own.is_empty()),
            None => Some(statement),
        });
    if let Some(statement) = own {
        lines.push(line("They say", quoted(statement)));
    }
    lines.push(line("For", &fields.uri));
    if message.not_before().is_some() {
        lines.push(line("From", moment(span.begins, now_ms)));
    }
    lines.push(line(
        "Until",
        span.ends
            .map_or_else(|| "No end".to_owned(), |ends| moment(ends, now_ms)),
    ));
    lines.push(line("Chain", chains::name(fields.chain_id.get())));
    lines.push(line("Key", address_text(&Address(fields.address))));
    lines.push(line("Account", message.account()));
    let resources = fields.resources.as_deref().unwrap_or_default();
    let others = resources.len() - usize::from(recap.is_some());
    let resources = resources.iter().take(others);
    for (resource, number) in resources.zip(1..) {
        lines.push(line(format!("Resource {number}"), resource));
    }
    lines.push(line("Made", moment(message.issued_at().unix_ms(), now_ms)));
    if let Some(id) = &fields.request_id {
        lines.push(line("Request", id));
    }
    lines.push(line("Nonce", &fields.nonce));
    lines
}

fn warnings(message: &Message, has_recap: bool, span: &Span, now_ms: i64) -> Vec<Warning> {
    let fields = message.fields();
    let mut warnings = Vec::new();
    let mut add = |severity, text: &str| warnings.push(warning(severity, text));
    match span.ends {
        // Worse than a sign-in without an end, and told with the permissions.
        None if has_recap => {}
        None => add(
            Severity::Attention,
            "This sign-in has no end of its own: it holds until the app forgets it.",
        ),
        Some(ends) if ends.saturating_sub(span.begins.max(now_ms)) > LONG => add(
            Severity::Attention,
            "This sign-in holds for more than thirty days.",
        ),
        Some(_) => {}
    }
    if message.not_before().is_some() && span.begins > now_ms {
        add(
            Severity::Attention,
            "This sign-in does not hold yet; it can be used later.",
        );
    }
    if message.issued_at().unix_ms() > now_ms.saturating_add(SKEW) {
        add(
            Severity::Attention,
            "This sign-in says that it was made in the future.",
        );
    }
    match parse_uri(&fields.uri).ok().filter(|uri| is_web(uri.scheme)) {
        None if has_recap => {}
        None => add(
            Severity::Notice,
            "This sign-in is for something other than a web page.",
        ),
        Some(uri) => {
            let matches = uri.authority.is_some_and(|authority| {
                let (host, port) = host_and_port(&fields.domain, fields.scheme.as_deref());
                let port_of = |port: Option<&str>, scheme| {
                    port.map_or_else(|| default_port(scheme), str::to_owned)
                };
                authority.userinfo.is_none()
                    && authority.host.eq_ignore_ascii_case(host)
                    && port_of(authority.port, uri.scheme) == port
            });
            if !matches {
                add(
                    Severity::Attention,
                    "Who asks and what the sign-in is for are different sites.",
                );
            }
        }
    }
    if fields.scheme.as_deref() == Some("http") {
        add(
            Severity::Notice,
            "The site asks over a connection that is not encrypted.",
        );
    }
    let has_puny_label = fields
        .domain
        .split('.')
        .any(|label| label.to_ascii_lowercase().starts_with("xn--"));
    if has_puny_label {
        add(
            Severity::Attention,
            "The site's name has letters beyond a to z and may look like another one.",
        );
    }
    warnings
}

fn is_web(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http")
}

/// ERC-4361: without a port the scheme's own, without a scheme `https`.
fn default_port(scheme: &str) -> String {
    let port = if scheme.eq_ignore_ascii_case("http") {
        "80"
    } else {
        "443"
    };
    port.to_owned()
}

fn host_and_port<'a>(domain: &'a str, scheme: Option<&str>) -> (&'a str, String) {
    let default = || default_port(scheme.unwrap_or("https"));
    parse_authority(domain).map_or_else(
        || (domain, default()),
        |authority| {
            let port = authority.port.map_or_else(default, str::to_owned);
            (authority.host, port)
        },
    )
}
