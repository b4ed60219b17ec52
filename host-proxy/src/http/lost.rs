//! A failure as a page, for a person whose browser asked for one: what is wrong, and where the page is.

use axum::response::Response;
use hyper::{
    Method, Request,
    header::{ACCEPT, HeaderMap},
};

use super::{Route, failure::Failure, html};
use crate::config::Origin;

/// Whether a person looks at the answer: a browser opens an address, and says that it shows pages.
/// Programs, scripts of the page among them, ask for anything or for something else.
pub(super) fn wants_page<B>(request: &Request<B>) -> bool {
    let path = request.uri().path();
    let page = matches!(Route::of(path), Route::Page | Route::Description);
    let shown = page && !path.starts_with("/api/");
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    shown && reads && accepts_html(request.headers())
}

fn accepts_html(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(ACCEPT).iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .any(|range| {
            let mut parts = range.split(';').map(str::trim);
            parts
                .next()
                .is_some_and(|name| name.eq_ignore_ascii_case("text/html"))
                && !parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
        })
}

/// The page in the place of the failure's JSON; status and headers stay.
pub(super) fn page(failure: &Failure, origin: &Origin, request_id: &str) -> Response {
    let (title, words) = words(failure);
    let origin = html::escaped(origin.as_str());
    let request_id = html::escaped(request_id);
    let style = html::STYLE;
    let code = failure.code();
    let mut response = html::page(format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{title} · OpenKey</title>\
         <style>{style}</style></head><body><main><h1>{title}</h1>{words}\
         <p><a href=\"{origin}/\">Open {origin}</a></p>\
         <p><small>Reason: <code>{code}</code> · request <code>{request_id}</code></small></p>\
         </main></body></html>"
    ));
    let json = failure.respond(request_id.as_str());
    *response.status_mut() = json.status();
    for (name, value) in json.headers() {
        let headers = response.headers_mut();
        headers.entry(name).or_insert_with(|| value.clone());
    }
    response
}

/// Title and markup.
fn words(failure: &Failure) -> (&'static str, String) {
    match failure.code() {
        "wrong_host" => (
            "This page has another address",
            "<p>You opened this server by a name or a number that is not the page\u{2019}s address. \
             Passkeys belong to one domain name: with an IP address such as 127.0.0.1, or under \
             another name, no passkey of yours would work.</p>\
             <p>Open the address below. If a message or another site sent you here, be careful: \
             type the address that you know.</p>"
                .to_owned(),
        ),
        "not_found" | "bad_target" => (
            "There is no page at this address",
            "<p>The address may be mistyped, or a link may be old. Nothing of your account is \
             affected.</p><p>Begin at the address below.</p>"
                .to_owned(),
        ),
        _ => (
            "The server cannot answer this",
            format!(
                "<p>{}</p><p>{}</p>",
                html::escaped(failure.message()),
                html::escaped(failure.advice())
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_for_whoever_opens_an_address_and_json_for_programs() {
        let asks = |method: &str, path: &str, accept: &str| {
            let request = Request::builder().method(method).uri(path);
            wants_page(&request.header(ACCEPT, accept).body(()).unwrap())
        };
        let chromium = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        for path in ["/", "/keys", "/docs/", "/deep/er"] {
            assert!(asks("GET", path, chromium), "{path}");
            assert!(asks("HEAD", path, "application/json, Text/HTML; q=0.1"));
        }
        for accept in ["*/*", "text/*", "application/json", "text/html;q=0", ""] {
            assert!(!asks("GET", "/keys", accept), "{accept}");
        }
        assert!(!asks("POST", "/keys", chromium));
        for path in [
            "/api/v1/enclaves",
            "/api/v1/no",
            "/api/v1/enclaves/e1/request",
            "/config.json",
            "/healthz",
        ] {
            assert!(!asks("GET", path, chromium), "{path}");
        }
    }
}
