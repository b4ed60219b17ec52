//! Any text as a token: the fuzz target's body, also run on its corpus by the tests.

use openkey_capability::ucan::Ucan;

/// Whether it is a token whose signature holds.
pub(crate) fn run(input: &[u8]) -> bool {
    let Ok(ucan) = core::str::from_utf8(input).map_err(drop).and_then(|text| {
        let ucan = Ucan::decode(text).map_err(drop)?;
        assert!(ucan.token() == text);
        Ok(ucan)
    }) else {
        return false;
    };
    let _ = (
        ucan.expires_ms(),
        ucan.not_before_ms(),
        ucan.cid().to_string(),
    );
    ucan.verify().is_ok()
}
