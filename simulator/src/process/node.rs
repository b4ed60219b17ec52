//! The TinyCloud node as a process.

use std::net::SocketAddr;
use std::sync::Arc;

use openkey_node::clock::SystemClock;
use openkey_node::config::Config;
use openkey_node::server::{RateLimits, Server, Serving};
use openkey_node::sql::WorkerProgram;

use super::{ProcessOptions, SQL_WORKER, life};
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
    let config = Config {
        sql_program: WorkerProgram::own(SQL_WORKER),
        ..Config::new(dir.node())
    };
    let server = Server::start(config, serving, Arc::new(SystemClock))?;
    tracing::info!(address = %server.address(), node = server.node_id(), "listening");
    server.serve(stop).await;
    Ok(())
}
