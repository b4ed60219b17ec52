//! The TinyCloud node as a process.

use std::net::SocketAddr;
use std::sync::Arc;

use openkey_node::clock::SystemClock;
use openkey_node::config::Config;
use openkey_node::server::{RateLimits, Server, Serving};

use super::{ProcessOptions, life};
use crate::dir::Dir;

pub(super) async fn run(dir: &Dir, options: &ProcessOptions) -> anyhow::Result<()> {
    let listen: SocketAddr = options
        .node
        .ok_or_else(|| anyhow::anyhow!("nobody said where the node listens"))?;
    let mut serving = Serving::new(listen);
    if options.no_rate_limits {
        serving.rates = RateLimits::OFF;
    }
    let stop = life::stop(false)?;
    let server = Server::start(Config::new(dir.node()), serving, Arc::new(SystemClock))?;
    tracing::info!(address = %server.address(), node = server.node_id(), "listening");
    server.serve(stop).await;
    Ok(())
}
