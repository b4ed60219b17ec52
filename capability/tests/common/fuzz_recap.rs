//! Any text as a ReCap resource: the fuzz target's body, also run on its corpus by the tests.

use openkey_capability::recap::ReCap;

/// Whether the text is a ReCap, or the JSON of one.
pub(crate) fn run(text: &str) -> bool {
    // A fuzzer does not guess base64: JSON is taken as well.
    let resource = if text.starts_with('{') {
        let json = cid::multibase::Base::Base64Url.encode(text);
        format!("urn:recap:{json}")
    } else {
        text.to_owned()
    };
    let Ok(recap) = ReCap::parse(&resource) else {
        return false;
    };
    let sentence = recap.statement();
    assert!(recap.ends(&sentence));
    assert!(
        recap
            .attenuation()
            .iter()
            .all(|(.., caveats)| caveats.is_none())
    );
    // The one spelling is a fixed point. Without what is ignored it cannot be longer.
    let again = ReCap::parse(&recap.encode());
    assert_eq!(again.as_ref(), Ok(&recap));
    assert_eq!(again.map(|again| again.encode()), Ok(recap.encode()));
    true
}
