//! The two programs of a virtual machine: this process becomes one of them.

use std::os::unix::process::{CommandExt, parent_id};

use anyhow::{Context, bail};
use rustix::process::{Signal, set_parent_process_death_signal};

use super::Process;
use crate::dir::Dir;
use crate::vm::Machine;

/// Whether the process is one of a virtual machine in this directory.
pub(super) fn is_one(dir: &Dir, process: Process) -> anyhow::Result<bool> {
    Ok(match process {
        Process::Vsock(_) => true,
        Process::Enclave(number) => Machine::load(dir, number)?.is_some(),
        Process::HostProxy(_) | Process::Node => false,
    })
}

/// Becomes it, under the same process id.
///
/// Unlike our own processes these programs do not know that the end of their input means to stop:
/// the kernel ends them when whoever started them is gone.
pub(super) fn become_it(dir: &Dir, process: Process) -> anyhow::Result<()> {
    let parent = parent_id();
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if parent_id() != parent {
        // gone in between, so that no signal came
        return Ok(());
    }
    let machine = |number| {
        Machine::load(dir, number)?.with_context(|| format!("there is no machine {number}"))
    };
    let mut command = match process {
        Process::Vsock(number) => machine(number)?.vsock(dir),
        Process::Enclave(number) => machine(number)?.qemu(dir)?,
        Process::HostProxy(_) | Process::Node => bail!("{} is no virtual machine", process.name()),
    };
    tracing::info!(?command, "becoming");
    let error = command.exec();
    Err(error).with_context(|| command.get_program().display().to_string())
}
