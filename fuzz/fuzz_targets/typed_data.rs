//! Any text as typed data: what is accepted is shown whole, on lines that nothing hides on.
#![no_main]

use libfuzzer_sys::fuzz_target;
use openkey_consent::{Asker, read_payload};
use openkey_protocol::message::{Address, Payload, Severity};

fuzz_target!(|json: &str| {
    let payload = Payload::TypedData(json.to_owned());
    match read_payload(&payload, &Address([0x11; 20]), Asker::Unknown, 1_772_604_000_000) {
        Ok(request) => {
            let summary = request.summary;
            // Only long runs of white space are folded.
            let shown = summary.text.unwrap_or_default();
            assert!(shown == json || shown.contains("[… "));
            let dangerous = |w: &_| matches!(w, Severity::Danger);
            assert_eq!(
                summary.confirm,
                summary.warnings.iter().any(|w| dangerous(&w.severity))
            );
            for line in &summary.lines {
                assert!(!line.label.chars().any(char::is_control));
                assert!(!line.value.chars().any(char::is_control));
            }
        }
        Err(error) => assert!(error.message.ends_with(']')),
    }
});
