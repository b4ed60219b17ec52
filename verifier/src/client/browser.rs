//! What a browser sends when it loads a page.

/// A current browser on a common machine.
const USER_AGENT: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 \
     (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
/// The same browser by its client hints, which it sends to every secure origin.
const BRANDS: &str = r#""Chromium";v="142", "Google Chrome";v="142", "Not_A Brand";v="99""#;
const NAVIGATION: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,\
     image/webp,image/apng,*/*;q=0.8";
const IMAGE: &str = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8";

/// The headers for a file of a page: as an address that is opened for the documents, as a part of
/// the page for everything else. Compression is offered as browsers do; a host that uses it is
/// refused by the caller, because it changes what is sent.
pub(super) fn headers<'a>(path: &str, referrer: &'a str) -> Vec<(&'static str, &'a str)> {
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    let (accept, mode, destination) = match extension {
        "" | "html" => (NAVIGATION, "navigate", "document"),
        "js" => ("*/*", "cors", "script"),
        "css" => ("text/css,*/*;q=0.1", "no-cors", "style"),
        "svg" | "png" => (IMAGE, "no-cors", "image"),
        "woff2" => ("*/*", "cors", "font"),
        "webmanifest" => ("*/*", "cors", "manifest"),
        _ => ("*/*", "cors", "empty"),
    };
    let mut headers = vec![
        ("user-agent", USER_AGENT),
        ("accept", accept),
        ("sec-ch-ua", BRANDS),
        ("sec-ch-ua-mobile", "?0"),
        ("sec-ch-ua-platform", r#""Windows""#),
        ("accept-language", "en-US,en;q=0.9"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("sec-fetch-mode", mode),
        ("sec-fetch-dest", destination),
    ];
    if destination == "document" {
        headers.extend([
            ("sec-fetch-site", "none"),
            ("sec-fetch-user", "?1"),
            ("upgrade-insecure-requests", "1"),
        ]);
    } else {
        headers.extend([("sec-fetch-site", "same-origin"), ("referer", referrer)]);
    }
    headers
}
