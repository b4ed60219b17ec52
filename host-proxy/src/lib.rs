//! The untrusted half: HTTP API, the page, the sealed-record store and other services for enclaves,
//! relayed connections, limits and metrics.
//!
//! The host-proxy holds no authority. It carries opaque requests to enclaves and opaque replies
//! back, keeps sealed records it cannot read, and serves the page. What it decides is who waits:
//! sizes, rates, deadlines. Its database can be edited at will without gaining a signature, and
//! everything it says about an enclave is for convenience only; evidence comes from the enclave.
//!
//! * [`Config`] says what to serve, [`Parts`] what a simulator may replace;
//! * [`HostProxy::start`] binds everything, [`HostProxy::serve`] runs until told to stop;
//!   [`run`] does both;
//! * [`SqliteStore`] is the sealed-record store, [`page_manifest`] the page's released bytes.
#![cfg_attr(
    test,
    // a test that meets the unexpected should stop right there
    allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod config;
mod document;
mod http;
mod kept;
mod limits;
mod metrics;
mod page;
mod parts;
mod relay;
mod serve;
mod services;
mod store;
mod turns;
mod upstream;

pub use config::{Config, EnclaveConfig, ServicesConfig};
pub use page::{page_files, page_manifest, release_file};
pub use parts::{Clock, MakeClient, Parts};
pub use serve::{HostProxy, StartError, run};
pub use store::SqliteStore;
