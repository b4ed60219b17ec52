//! What `openkey-verify` and `openkey` have in common: what is accepted, how a run ends, files and
//! the clock, what people and programs read (feature `client`).

mod accept;
mod advice;
mod ask;
mod changes;
mod configuration;
mod named;
pub mod output;
mod progress;
mod report;
pub mod source;
mod state;
mod successors;

pub use accept::{Accept, AcceptArgs, ReadArgs, When, read_keys};
pub use advice::advised;
pub use ask::{Unaccepted, ask};
pub use changes::{Change, configuration_changes};
pub use configuration::{configuration_json, configuration_rows};
pub use named::{ConfigurationFile, configuration_hash};
pub use progress::{DEFAULT_TIMEOUT_SECONDS, MAX_TIMEOUT_SECONDS, Progress, TimeArgs};
pub use report::{Failure, NOT_JUDGED, REFUSED, Verdict};
pub use state::State;
pub use successors::{
    ask_lists, ask_successors, ask_withdrawn, list_rows, successor_row, successor_rows,
};
