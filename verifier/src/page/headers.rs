//! The headers that a page is served with: the same bytes are another page to a browser under
//! another type, and a less protected one without a content-security policy.

use std::collections::BTreeMap;

use super::PageError;

/// Headers of an answer: lower-case names and values, in order.
pub type Headers = [(String, String)];

/// Headers that an answer may carry, whatever their value: they say how the bytes arrive and how long they are
/// kept. Everything else could change the page, set something in the browser, or make it report to somebody.
const ANY_VALUE: [&str; 21] = [
    "accept-ranges",
    "age",
    "cache-control",
    "connection",
    "content-length",
    "content-security-policy",
    "content-type",
    "date",
    "etag",
    "expires",
    "keep-alive",
    "last-modified",
    "origin-agent-cluster",
    "pragma",
    "server",
    "transfer-encoding",
    "vary",
    "via",
    "x-content-type-options",
    "x-frame-options",
    "x-request-id",
];

/// Headers that an answer may carry with one of these values.
const VALUES: [(&str, &[&str]); 5] = [
    ("content-encoding", &["identity"]),
    (
        "cross-origin-embedder-policy",
        &["require-corp", "credentialless"],
    ),
    ("cross-origin-opener-policy", &["same-origin"]),
    (
        "cross-origin-resource-policy",
        &["same-origin", "same-site"],
    ),
    (
        "referrer-policy",
        &[
            "no-referrer",
            "same-origin",
            "strict-origin",
            "strict-origin-when-cross-origin",
        ],
    ),
];

/// Checks the headers of one served file.
///
/// # Errors
///
/// [`PageError::Header`], [`PageError::ContentType`], [`PageError::Policy`].
pub fn check(name: &str, headers: &Headers) -> Result<(), PageError> {
    if let Some((header, value)) = headers.iter().find(|(name, value)| !may_stand(name, value)) {
        return Err(PageError::Header {
            file: name.into(),
            header: shown(&format!("{header}: {value}")),
        });
    }
    content_type(name, headers)?;
    let wrong = |reason| PageError::Policy {
        file: name.into(),
        reason,
    };
    reports(headers).map_err(wrong)?;
    if extension(name) == "html" {
        policy(headers).map_err(wrong)?;
    }
    Ok(())
}

/// Whether an answer may carry this header.
fn may_stand(name: &str, value: &str) -> bool {
    let value = value.trim().to_ascii_lowercase();
    if let Some((_, allowed)) = VALUES.iter().find(|(known, _)| *known == name) {
        return allowed.contains(&value.as_str());
    }
    match name {
        // Features that are taken from the page, but for passkeys, without which it says that a prompt was
        // closed that never opened; the parameter makes a browser report.
        "permissions-policy" => {
            !value.contains("report-to") && value.split(',').all(leaves_passkeys)
        }
        // Zero takes back what was said before: the next visit would go without TLS.
        "strict-transport-security" => value
            .split(';')
            .filter_map(|part| part.trim().strip_prefix("max-age="))
            .all(|age| {
                age.trim_matches('"')
                    .parse::<u64>()
                    .is_ok_and(|age| age > 0)
            }),
        // Another protocol or port of the same host, which needs the same certificate.
        "alt-svc" => value == "clear" || value.split(',').all(is_own_port),
        name => ANY_VALUE.contains(&name),
    }
}

/// Whether one feature of a permissions policy is another one than passkeys, or allows them to the page.
fn leaves_passkeys(feature: &str) -> bool {
    match feature.split_once('=') {
        Some((name, allowed)) if name.trim().starts_with("publickey-credentials") => {
            matches!(allowed.trim(), "(self)" | "self" | "*")
        }
        _ => true,
    }
}

/// `h3=":443"` with what follows: no other host. The host stands after the first `=`; parameters have an `=`
/// of their own (RFC 7838, section 3).
fn is_own_port(service: &str) -> bool {
    let authority = service.split_once('=').map(|(_, rest)| rest);
    let port = authority.and_then(|rest| rest.strip_prefix("\":")?.split_once('"'));
    port.is_some_and(|(port, _)| port.parse::<u16>().is_ok())
}

fn values<'a>(headers: &'a Headers, name: &'a str) -> impl Iterator<Item = &'a str> {
    headers
        .iter()
        .filter(move |(known, _)| known == name)
        .map(|(_, value)| value.trim())
}

/// As much of a server's text as an error repeats.
fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

/// What stands behind a directory's slash is its index.
fn extension(name: &str) -> &str {
    if name.is_empty() || name.ends_with('/') {
        return "html";
    }
    name.rsplit_once('.').map_or("", |(_, extension)| extension)
}

/// The types under which a browser reads a file as what it is.
const fn types(extension: &str) -> &'static [&'static str] {
    match extension.as_bytes() {
        b"html" => &["text/html"],
        b"js" | b"mjs" => &["text/javascript", "application/javascript"],
        b"css" => &["text/css"],
        b"json" => &["application/json"],
        b"wasm" => &["application/wasm"],
        b"svg" => &["image/svg+xml"],
        b"png" => &["image/png"],
        b"ico" => &["image/x-icon", "image/vnd.microsoft.icon"],
        b"woff2" => &["font/woff2"],
        b"webmanifest" => &["application/manifest+json"],
        // Licences and notes: nothing that runs.
        _ => &["text/plain", "text/markdown", "application/octet-stream"],
    }
}

/// Exactly one type, the file's own, in UTF-8: under another charset the same bytes are another text.
fn content_type(name: &str, headers: &Headers) -> Result<(), PageError> {
    let expected = types(extension(name));
    let mut found = values(headers, "content-type");
    let served = match (found.next(), found.next()) {
        (Some(one), None) => one.to_ascii_lowercase(),
        (None, _) => "none".to_owned(),
        (Some(_), Some(_)) => "several".to_owned(),
    };
    let mut parts = served.split(';').map(str::trim);
    let known = parts.next().is_some_and(|kind| expected.contains(&kind));
    let utf8 = parts.all(|part| {
        let value = part.strip_prefix("charset=").map(|v| v.trim_matches('"'));
        value.is_none_or(|charset| charset == "utf-8" || charset == "utf8")
    });
    if known && utf8 {
        return Ok(());
    }
    Err(PageError::ContentType {
        file: name.into(),
        served: shown(&served),
        expected: expected.join(" or "),
    })
}

/// Directives that fall back to nothing, so that each must be there, with `'none'` or `'self'`.
const REQUIRED: [&str; 4] = ["default-src", "base-uri", "form-action", "frame-ancestors"];

/// Every policy is enforced, and may name who is told of what it stopped: what a person does.
fn reports(headers: &Headers) -> Result<(), String> {
    for policy in values(headers, "content-security-policy").flat_map(|value| value.split(',')) {
        for directive in policy.split(';') {
            let name = directive
                .split_ascii_whitespace()
                .next()
                .unwrap_or_default();
            if ["report-uri", "report-to"].contains(&name.to_ascii_lowercase().as_str()) {
                return Err(format!("it reports to others: {}", shown(directive.trim())));
            }
        }
    }
    Ok(())
}

/// Whether one of the policies keeps the page to itself, and none takes from the page what it needs. A
/// browser enforces all of them.
fn policy(headers: &Headers) -> Result<(), String> {
    let mut reason = None;
    let mut others = Vec::new();
    // Policies in one header stand between commas, which no directive contains.
    for policy in values(headers, "content-security-policy").flat_map(|value| value.split(',')) {
        match one_policy(policy) {
            Ok(()) => reason = Some(Ok(())),
            Err(why) => {
                others.push(policy);
                reason = reason.or(Some(Err(why)));
            }
        }
    }
    reason.unwrap_or_else(|| Err("there is none".to_owned()))?;
    let taken = |policy: &&str| {
        directives(policy)
            .into_keys()
            .find(|name| !HARMLESS.contains(&name.as_str()))
    };
    match others.iter().find_map(taken) {
        Some(name) => Err(format!("a second policy has {}", shown(&name))),
        None => Ok(()),
    }
}

/// Directives of a second policy that take nothing from the page: what else it names would leave the page
/// without its style, its code, or its own origin.
const HARMLESS: [&str; 6] = [
    "frame-ancestors",
    "base-uri",
    "form-action",
    "object-src",
    "upgrade-insecure-requests",
    "block-all-mixed-content",
];

/// Directives of the page's policy whose names do not end with `-src`. Others change what the page is (`sandbox`),
/// or what the ones before them mean (`style-src-elem`).
const OTHERS: [&str; 6] = [
    "base-uri",
    "form-action",
    "frame-ancestors",
    "require-trusted-types-for",
    "upgrade-insecure-requests",
    "block-all-mixed-content",
];

/// Directives under which the page loads what it consists of.
const NEEDED: [&str; 4] = ["script-src", "style-src", "img-src", "connect-src"];

fn directives(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut directives = BTreeMap::new();
    for directive in text.split(';') {
        let mut words = directive.split_ascii_whitespace();
        let Some(name) = words.next() else {
            continue;
        };
        // Browsers take the first of several.
        directives
            .entry(name.to_ascii_lowercase())
            .or_insert_with(|| words.map(str::to_ascii_lowercase).collect::<Vec<_>>());
    }
    directives
}

fn one_policy(text: &str) -> Result<(), String> {
    let directives = directives(text);
    if let Some(missing) = REQUIRED
        .into_iter()
        .find(|name| !directives.contains_key(*name))
    {
        return Err(format!("it has no {missing}"));
    }
    for (name, sources) in &directives {
        let is_known = name.ends_with("-src") || OTHERS.contains(&name.as_str());
        if !is_known {
            return Err(format!("it has {}", shown(name)));
        }
        let allowed = |source: &String| match (name.as_str(), source.as_str()) {
            (_, "'none'" | "'self'") => true,
            // Instantiates WebAssembly, and evaluates no text.
            ("script-src", "'wasm-unsafe-eval'") => true,
            // A picture in the page's own bytes.
            ("img-src", "data:") => true,
            // Data may go where the configuration says, to one server over TLS; code never comes
            // from there.
            ("connect-src", origin) => is_origin(origin),
            // Restrictions of other kinds.
            ("require-trusted-types-for", "'script'") => true,
            ("upgrade-insecure-requests" | "block-all-mixed-content", _) => true,
            _ => false,
        };
        if let Some(source) = sources.iter().find(|source| !allowed(source)) {
            return Err(format!("its {} allows {}", shown(name), shown(source)));
        }
    }
    let own = |name: &&str| {
        let sources = directives
            .get(*name)
            .or_else(|| directives.get("default-src"));
        sources.is_some_and(|sources| sources.iter().any(|source| source == "'self'"))
    };
    if let Some(taken) = NEEDED.iter().find(|name| !own(name)) {
        return Err(format!("its {taken} takes the page's own files from it"));
    }
    Ok(())
}

/// `https://host[:port]`, or `http` on this machine: no wildcard, no scheme alone.
pub(super) fn is_origin(source: &str) -> bool {
    let host = match source.split_once("://") {
        Some(("https", host)) => host,
        Some(("http", host)) => {
            let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
            if !matches!(name, "localhost" | "127.0.0.1" | "[::1]") {
                return false;
            }
            host
        }
        _ => return false,
    };
    !host.is_empty()
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; \
        style-src 'self'; img-src 'self' data:; connect-src 'self' https://node.example; \
        manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; \
        require-trusted-types-for 'script'";

    fn judge(name: &str, headers: &[(&str, &str)]) -> Result<(), &'static str> {
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        check(name, &headers).map_err(|error| error.rule())
    }

    fn html(policy: &str) -> Result<(), &'static str> {
        let kind = ("content-type", "text/html; charset=utf-8");
        judge("index.html", &[kind, ("content-security-policy", policy)])
    }

    #[test]
    fn a_page_as_host_proxy_serves_it_is_accepted() {
        assert_eq!(html(POLICY), Ok(()));
        assert_eq!(
            judge("/", &[("content-type", "text/html")]),
            Err("page_policy")
        );
        assert_eq!(
            html(&format!("upgrade-insecure-requests, {POLICY}")),
            Ok(())
        );
        assert_eq!(html(&format!("{POLICY}, object-src 'none'")), Ok(()));
        for (name, kind) in [
            ("app.js", "text/javascript; charset=utf-8"),
            ("a/style.css", "text/css; charset=UTF-8"),
            ("verifier.wasm", "application/wasm"),
            ("icon.svg", "image/svg+xml"),
            ("vendor/cborg/LICENSE", "text/plain; charset=utf-8"),
            ("anchor.json", "application/json"),
        ] {
            assert_eq!(judge(name, &[("content-type", kind)]), Ok(()), "{name}");
        }
    }

    #[test]
    fn e5_another_type_or_charset_is_another_page() {
        let refused = Err("page_content_type");
        assert_eq!(judge("app.js", &[]), refused);
        let twice = [("content-type", "text/css"), ("content-type", "text/css")];
        assert_eq!(judge("a.css", &twice), refused);
        for (name, kind) in [
            ("app.js", "text/html"),
            ("app.js", "text/javascript; charset=utf-7"),
            ("index.html", "text/plain"),
            ("index.html", "text/html; charset=\"utf-16\""),
            ("icon.svg", "text/html"),
            ("vendor/LICENSE", "text/html"),
            ("verifier.wasm", "application/octet-stream"),
        ] {
            assert_eq!(
                judge(name, &[("content-type", kind)]),
                refused,
                "{name} {kind}"
            );
        }
    }

    #[test]
    fn e5_a_page_without_a_strict_policy_is_refused() {
        let refused = Err("page_policy");
        assert_eq!(
            judge("index.html", &[("content-type", "text/html")]),
            refused
        );
        for missing in REQUIRED {
            assert_eq!(html(&POLICY.replace(missing, "x")), refused, "{missing}");
        }
        for (from, to) in [
            ("script-src 'self'", "script-src 'self' 'unsafe-inline'"),
            ("script-src 'self'", "script-src https://evil.example"),
            ("script-src 'self'", "script-src-elem *; script-src 'self'"),
            ("style-src 'self'", "style-src 'self' 'unsafe-eval'"),
            ("default-src 'none'", "default-src *"),
            ("img-src 'self'", "img-src https:"),
            ("https://node.example", "https:"),
            ("https://node.example", "*"),
            ("https://node.example", "https://*.example"),
            ("https://node.example", "http://node.example"),
            ("base-uri 'none'", "base-uri https://evil.example"),
            ("manifest-src 'self'", "report-uri https://evil.example"),
            ("manifest-src 'self'", "report-to evil"),
            ("frame-ancestors 'none'", "frame-ancestors https:"),
            ("default-src", "DEFAULT-SRC *; default-src"),
            // what takes the page's own parts from it changes it
            ("style-src 'self'", "style-src 'none'"),
            ("script-src 'self' 'wasm-unsafe-eval'", "script-src 'none'"),
            ("img-src 'self' data:", "img-src data:"),
            ("connect-src 'self'", "connect-src"),
            ("manifest-src 'self'", "sandbox allow-scripts"),
            ("manifest-src 'self'", "sandbox"),
            ("manifest-src 'self'", "style-src-elem 'none'"),
        ] {
            assert!(POLICY.contains(from), "{from}");
            assert_eq!(html(&POLICY.replacen(from, to, 1)), refused, "{to}");
        }
    }

    #[test]
    fn e5_headers_that_change_the_page_or_report_are_refused() {
        let css = ("content-type", "text/css");
        let with = |name, value| judge("a.css", &[css, (name, value)]);
        for (name, value) in [
            ("link", "<https://evil.example>; rel=preconnect"),
            ("refresh", "0; url=https://evil.example"),
            ("content-disposition", "attachment"),
            ("speculation-rules", "\"/rules.json\""),
            ("service-worker-allowed", "/"),
            ("clear-site-data", "\"storage\""),
            ("set-cookie", "who=ada"),
            ("sourcemap", "https://evil.example/map"),
            (
                "content-security-policy-report-only",
                "default-src 'none'; report-uri https://evil.example",
            ),
            ("nel", "{\"report_to\":\"evil\",\"max_age\":1}"),
            (
                "report-to",
                "{\"endpoints\":[{\"url\":\"https://evil.example\"}]}",
            ),
            ("reporting-endpoints", "evil=\"https://evil.example\""),
            (
                "cross-origin-opener-policy",
                "same-origin; report-to=\"evil\"",
            ),
            (
                "cross-origin-embedder-policy",
                "require-corp; report-to=\"evil\"",
            ),
            ("permissions-policy", "camera=();report-to=evil"),
            ("permissions-policy", "publickey-credentials-get=()"),
            (
                "permissions-policy",
                "camera=(), publickey-credentials-create=()",
            ),
            ("strict-transport-security", "max-age=0"),
            (
                "strict-transport-security",
                "includeSubDomains; Max-Age=\"0\"",
            ),
            ("strict-transport-security", "max-age=-1"),
            ("referrer-policy", "unsafe-url"),
            ("alt-svc", "h3=\"evil.example:443\"; ma=1"),
            ("alt-svc", "h3=\":443\", h2=\"evil.example:443\""),
            ("alt-svc", "h3=\"evil.example:443\"; p=\":443\""),
            ("alt-svc", "h3=\":\""),
            ("content-encoding", "gzip"),
            ("x-anything", "1"),
        ] {
            assert_eq!(with(name, value), Err("page_header"), "{name}: {value}");
        }
        for (name, value) in [
            ("content-encoding", "identity"),
            ("cross-origin-opener-policy", "same-origin"),
            ("permissions-policy", "camera=(), microphone=()"),
            (
                "permissions-policy",
                "publickey-credentials-create=(self), publickey-credentials-get=(self), camera=()",
            ),
            ("referrer-policy", "no-referrer"),
            ("alt-svc", "h3=\":443\"; ma=86400, h2=\":8443\""),
            ("alt-svc", "clear"),
            ("strict-transport-security", "max-age=63072000"),
        ] {
            assert_eq!(with(name, value), Ok(()), "{name}: {value}");
        }
    }

    #[test]
    fn e5_a_second_policy_that_takes_something_from_the_page_is_refused() {
        for second in [
            "style-src 'none'",
            "sandbox allow-scripts",
            "sandbox",
            "img-src *",
            "default-src 'self'",
            "trusted-types",
        ] {
            for policy in [format!("{POLICY}, {second}"), format!("{second}, {POLICY}")] {
                assert_eq!(html(&policy), Err("page_policy"), "{policy}");
            }
        }
    }

    #[test]
    fn e5_a_second_policy_that_reports_is_refused() {
        for policy in [
            format!("{POLICY}, default-src 'none'; report-uri https://evil.example"),
            format!("default-src *; report-to evil, {POLICY}"),
        ] {
            assert_eq!(html(&policy), Err("page_policy"), "{policy}");
        }
        let policy = (
            "content-security-policy",
            "default-src 'none'; Report-URI /x",
        );
        let worker = judge("app.js", &[("content-type", "text/javascript"), policy]);
        assert_eq!(worker, Err("page_policy"));
    }
}
