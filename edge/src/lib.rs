//! What the servers share at their edges: none of it knows what is served.
//!
//! * [`listen`]: connections, how many ([`places`], [`shares`], [`descriptors`]) and how slow ([`pace`]);
//!   [`accept`]: when there are too many; [`client`]: whose they are.
//! * [`rate`]: who may ask how often; [`body`]: how much memory bodies may take; [`framing`]: where
//!   they end; [`heads`] and [`metered`]: the same of heads; [`pieces`]: the same of answers.
//! * [`metrics`]: what monitoring reads, and where.
//! * [`request_id`] and [`mod@log`]: what happened, by name; [`stop`]: being asked to.
//! * [`sqlite`]: one SQLite database, one thread that writes, many writes in one sync.
//! * [`turnstile`]: processes that write one file take turns.
#![cfg_attr(
    test,
    // A test that fails by a panic says where; library code never panics.
    allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod accept;
mod asked;
pub mod body;
pub mod client;
pub mod descriptors;
mod farewell;
pub mod framing;
pub mod heads;
pub mod listen;
pub mod lock;
pub mod log;
pub mod metered;
pub mod metrics;
pub mod network;
pub mod pace;
pub mod pieces;
pub mod places;
pub mod rate;
pub mod request_id;
pub mod shares;
pub mod sqlite;
pub mod stop;
pub mod turnstile;
