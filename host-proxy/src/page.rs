//! The page people see: a fixed, content-hashed bundle compiled into this program.
//!
//! Whoever serves the page decides what a person sees, so its bytes must be checkable: the
//! [`page_manifest`] names each file with its SHA-256, and `openkey-verify page` compares what a
//! server serves with the released one.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use axum::body::Bytes;
use rust_embed::RustEmbed;
use sha2::{Digest as _, Sha256};

use crate::{document::Document, kept::Kept};

/// Everything a browser may need of `web/`. [`mime_type`] decides alike at run time. The anchor is
/// not among it: this code is the same for every deployment, and an anchor belongs to one.
#[derive(RustEmbed)]
#[folder = "../web"]
#[include = "*.html"]
#[include = "*.js"]
#[include = "*.css"]
#[include = "*.wasm"]
#[include = "*.svg"]
#[include = "*.png"]
#[include = "*.woff2"]
#[include = "*.webmanifest"]
#[include = "vendor/*"]
#[exclude = ".*"]
#[exclude = "*/.*"]
#[exclude = "tests/*"]
#[exclude = "node_modules/*"]
#[exclude = "*.test.js"]
#[exclude = "*.config.js"]
#[exclude = "*.d.ts"]
struct Embedded;

/// The anchor of the deployment: release keys, root id, relying party.
const ANCHOR: &str = "anchor.json";

/// The file at `/`.
const INDEX: &str = "index.html";

/// Largest file served from a directory: a mistaken `--page-dir` must not fill the memory.
const MAX_DIR_FILE: usize = 16 * 1024 * 1024;

/// The page's files by the path after the slash.
pub(crate) struct Page {
    code: Code,
    /// Where the anchor lies, if not among the code.
    anchor: Option<PathBuf>,
    /// Of directories.
    kept: Kept,
}

enum Code {
    Embedded(BTreeMap<Cow<'static, str>, Document>),
    /// Read anew when a file changes.
    Directory(PathBuf),
}

impl Page {
    /// The page of this directory, or the embedded one; with the anchor of another directory.
    pub(crate) fn new(dir: Option<PathBuf>, anchor: Option<PathBuf>) -> Self {
        let files = embedded().filter_map(|(path, body, sha256)| {
            let file = Document::hashed(mime_type(&path)?, body, sha256);
            Some((path, file))
        });
        let code = dir.map_or_else(|| Code::Embedded(files.collect()), Code::Directory);
        Self {
            code,
            anchor,
            kept: Kept::default(),
        }
    }

    /// The file at a request's path, which has no empty, `.` or `..` segments and no escapes.
    pub(crate) async fn file(&self, path: &str) -> Option<Document> {
        let path = match path.strip_prefix('/')? {
            "" => INDEX,
            path => path,
        };
        if let (ANCHOR, Some(dir)) = (path, &self.anchor) {
            return self.read(dir, ANCHOR).await;
        }
        match &self.code {
            Code::Embedded(files) => files.get(path).cloned(),
            Code::Directory(dir) => self.read(dir, path).await,
        }
    }

    /// A file of a directory. A link may lead around in the directory, not out of it.
    async fn read(&self, dir: &Path, path: &str) -> Option<Document> {
        let (mime, full) = (mime_type(path)?, dir.join(path));
        let file = self.kept.file(&full, Some(dir), mime, MAX_DIR_FILE);
        file.await.unwrap_or_else(|reason| {
            tracing::debug!(path, reason, "a file of the page cannot be read");
            None
        })
    }
}

fn embedded() -> impl Iterator<Item = (Cow<'static, str>, Bytes, [u8; 32])> {
    Embedded::iter()
        .filter(|path| mime_type(path).is_some())
        .filter_map(|path| {
            let file = Embedded::get(&path)?;
            let body = match file.data {
                Cow::Borrowed(bytes) => Bytes::from_static(bytes),
                Cow::Owned(bytes) => Bytes::from(bytes),
            };
            // hashed here: what is released is what these bytes are, not what a macro says
            let sha256 = Sha256::digest(&body).into();
            Some((path, body, sha256))
        })
}

/// The MIME type of a file that belongs to the page; `None`: it does not.
fn mime_type(path: &str) -> Option<&'static str> {
    let hidden = path
        .split('/')
        .any(|segment| segment.is_empty() || segment.starts_with('.'));
    let aside = path.starts_with("tests/")
        || path.starts_with("node_modules/")
        || path.ends_with(".test.js")
        || path.ends_with(".config.js");
    if hidden || aside {
        return None;
    }
    // No other JSON: a directory may hold files that are not for everybody.
    if path == ANCHOR {
        return Some("application/json");
    }
    let name = path.rsplit('/').next()?;
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => Some("text/html; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "wasm" => Some("application/wasm"),
        "svg" => Some("image/svg+xml"),
        "png" => Some("image/png"),
        "woff2" => Some("font/woff2"),
        "webmanifest" => Some("application/manifest+json"),
        // licences and notes of vendored modules
        "" | "txt" | "md" if path.starts_with("vendor/") => Some("text/plain; charset=utf-8"),
        _ => None,
    }
}

/// Every file of the embedded page: the code that is the same for every deployment.
pub fn page_files() -> impl Iterator<Item = (String, Bytes)> {
    embedded().map(|(path, body, _)| (path.into_owned(), body))
}

/// Every file of the embedded page with the SHA-256 (hex) of its bytes.
#[must_use]
pub fn page_manifest() -> BTreeMap<String, String> {
    embedded()
        .map(|(path, _, sha256)| (path.into_owned(), hex::encode(sha256)))
        .collect()
}

/// The release file: what `openkey-verify page` compares a served page with.
#[must_use]
pub fn release_file() -> serde_json::Value {
    serde_json::json!({ "version": 1, "page": page_manifest() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_browser_needs_belongs_to_the_page() {
        for path in [
            "tests/page.js",
            "node_modules/a/index.js",
            "package.json",
            "package-lock.json",
            "tsconfig.json",
            "README.md",
            ".hidden.js",
            "vendor/.git",
            "a//b.js",
            "page.test.js",
            "eslint.config.js",
            "types.ts",
            "html",
            "config.json",
            "views/anchor.json",
        ] {
            assert_eq!(mime_type(path), None, "{path}");
        }
        for (path, mime) in [
            ("index.html", "text/html; charset=utf-8"),
            ("a/b.js", "text/javascript; charset=utf-8"),
            ("verifier.wasm", "application/wasm"),
            ("anchor.json", "application/json"),
            ("vendor/qr/LICENSE", "text/plain; charset=utf-8"),
        ] {
            assert_eq!(mime_type(path), Some(mime));
        }
    }

    #[tokio::test]
    async fn a_directory_is_served_without_a_way_out() {
        let dir = tempfile::tempdir().unwrap();
        let page = dir.path().join("page");
        std::fs::create_dir_all(&page).unwrap();
        std::fs::write(dir.path().join("secret.js"), "s").unwrap();
        std::fs::write(page.join("index.html"), "<p>").unwrap();
        std::os::unix::fs::symlink("../secret.js", page.join("link.js")).unwrap();
        let page = Page::new(Some(page), None);
        let index = page.file("/").await.unwrap();
        assert_eq!(&index.body[..], b"<p>");
        assert_eq!(
            index.etag.unwrap(),
            format!("\"{}\"", hex::encode(Sha256::digest(b"<p>")))
        );
        for path in ["/link.js", "/../secret.js", "/nothing.js", "/index.htm"] {
            assert!(page.file(path).await.is_none(), "{path}");
        }
    }

    #[tokio::test]
    async fn an_anchor_lies_in_the_directory_or_in_another() {
        let dir = tempfile::tempdir().unwrap();
        let (page, other) = (dir.path().join("page"), dir.path().join("other"));
        for (place, text) in [(&page, "page"), (&other, "other")] {
            std::fs::create_dir_all(place).unwrap();
            std::fs::write(place.join(ANCHOR), text).unwrap();
        }
        let anchor = async |page: Page| {
            let file = page.file("/anchor.json").await;
            file.map(|file| file.body)
        };
        assert_eq!(anchor(Page::new(None, None)).await, None);
        let served = anchor(Page::new(Some(page.clone()), None)).await.unwrap();
        assert_eq!(&served[..], b"page");
        for code in [None, Some(page)] {
            let served = anchor(Page::new(code, Some(other.clone()))).await.unwrap();
            assert_eq!(&served[..], b"other");
        }
    }

    #[tokio::test]
    async fn the_manifest_names_exactly_the_files_that_are_served() {
        let page = Page::new(None, None);
        let manifest = page_manifest();
        let Code::Embedded(files) = &page.code else {
            panic!("not embedded");
        };
        assert!(!files.contains_key(ANCHOR));
        assert!(files.keys().map(AsRef::as_ref).eq(manifest.keys()));
        for (path, sha256) in &manifest {
            let file = page.file(&format!("/{path}")).await.unwrap();
            assert_eq!(*sha256, hex::encode(Sha256::digest(&file.body)));
        }
        assert_eq!(release_file()["page"], serde_json::json!(manifest));
    }
}
