//! What to do about a refusal by evidence, for people at a command line: the library's sentence says what is wrong
//! and not which flag there is.

/// The sentence of a rule, and what to do where a flag or a file may be the wrong one.
#[must_use]
pub fn advised(rule: &str, message: String) -> String {
    let advice = match rule {
        "unknown_root" => {
            "a simulator's document has a root of its own: for practice give its --policy FILE, which names it; \
             from a service that is no practice it proves nothing: entrust nothing to it"
        }
        "simulator_document" => {
            "for practice give the simulator's own --policy FILE; a service that is no practice has to run on \
             hardware: entrust nothing to this one"
        }
        _ => return message,
    };
    format!("{message}; {advice}")
}
