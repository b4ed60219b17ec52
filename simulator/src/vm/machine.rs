//! One virtual machine: its files and the command lines of its two programs.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use openkey_protocol::transport::Address;
use serde::{Deserialize, Serialize};

use super::{Image, Rig};
use crate::ca::{self, Authority};
use crate::dir::{Dir, DirError, at};
use crate::time::now_ms;

/// Where an enclave listens for requests.
pub const REQUEST_PORT: u32 = 7000;
/// Where an enclave listens for attested channels.
pub const CHANNEL_PORT: u32 = 7001;
/// Where the host answers an enclave.
const SERVICES_PORT: u32 = 7010;
/// Where the host carries an enclave's connections.
const RELAY_PORT: u32 = 7011;
/// Where the Nitro CLI waits for an enclave's heartbeat.
const HEARTBEAT_PORT: u32 = 9000;

/// The first machine's context id: 0 to 2 mean others, and 3 is the parent on hardware.
const FIRST_CID: u32 = 4;
/// The context id under which `vhost-device-vsock` takes what is for the host.
const PARENT_CID: u32 = 2;
/// Memory of a machine.
const MEMORY_MB: u32 = 256;
/// Larger writes of a guest are lost in the device: one descriptor holds no more.
const TX_BUFFER: u32 = 32 * 1024;

/// What one virtual machine is made of, kept in a file while it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    rig: Rig,
    /// The image file.
    pub eif: PathBuf,
    number: u8,
}

impl Machine {
    /// Enclave `number` (from 1) with this image.
    #[must_use]
    pub fn new(rig: &Rig, image: &Image, number: u8) -> Self {
        Self {
            rig: rig.clone(),
            eif: image.eif(),
            number,
        }
    }

    /// Writes it down for the processes of this enclave, and for the host the release manifest that
    /// names the image as a successor.
    pub(crate) fn save(&self, dir: &Dir, manifest: Option<&Path>) -> Result<(), DirError> {
        dir.write_json(&dir.machine(self.number), self)?;
        let to = dir.machine_manifest(self.number);
        match manifest {
            Some(from) => std::fs::copy(from, &to).map(|_| ()),
            None => remove(&to),
        }
        .map_err(|error| at(&to, error))
    }

    /// Forgets it: the enclave of this number is a process from now on.
    pub(crate) fn forget(dir: &Dir, number: u8) {
        let _ = remove(&dir.machine(number));
        let _ = remove(&dir.machine_manifest(number));
    }

    /// The machine of this number; `None` if that enclave is a process.
    pub(crate) fn load(dir: &Dir, number: u8) -> Result<Option<Self>, DirError> {
        dir.read_json(&dir.machine(number))
    }

    /// Where its enclave takes requests.
    #[must_use]
    pub fn requests(dir: &Dir, number: u8) -> Address {
        hybrid(dir, number, REQUEST_PORT)
    }

    /// Where its enclave takes channels.
    #[must_use]
    pub fn channel(dir: &Dir, number: u8) -> Address {
        hybrid(dir, number, CHANNEL_PORT)
    }

    /// Where the host listens for it.
    #[must_use]
    pub fn services(dir: &Dir, number: u8) -> Address {
        host_side(dir, number, SERVICES_PORT)
    }

    /// Where the host's relay listens for it.
    #[must_use]
    pub fn relay(dir: &Dir, number: u8) -> Address {
        host_side(dir, number, RELAY_PORT)
    }

    /// Where its heartbeat arrives.
    #[must_use]
    pub fn heartbeat(dir: &Dir, number: u8) -> Address {
        host_side(dir, number, HEARTBEAT_PORT)
    }

    /// The device that carries its vsock to unix sockets.
    pub(crate) fn vsock(&self, dir: &Dir) -> Command {
        let mut value = OsString::from(format!("guest-cid={}", FIRST_CID + u32::from(self.number)));
        value.push(",uds-path=");
        value.push(dir.vsock(self.number));
        value.push(",socket=");
        value.push(dir.vhost(self.number));
        value.push(format!(",tx-buffer-size={TX_BUFFER}"));
        let mut command = Command::new(self.rig.vsock());
        command.arg("--vm").arg(value);
        command
    }

    /// The machine itself, with a new module id and a new key for its NSM. The simulated CA must
    /// exist.
    pub(crate) fn qemu(&self, dir: &Dir) -> Result<Command, ca::Error> {
        let now = now_ms();
        let authority = Authority::open(&dir.ca(), now)?;
        let module_id = authority.module_id(now)?;
        let nsm = dir.machine_nsm(self.number);
        let signer = authority.export(&module_id, &nsm, false, now)?;
        crate::files::write_private(&nsm.join(MODULE_ID), module_id.as_bytes())
            .map_err(|error| ca::file_error(&nsm, &error))?;
        let chain = signer.chain.iter().map(|path| path.as_os_str());
        let chain: Vec<&OsStr> = chain.collect();
        let mut command = Command::new(self.rig.qemu());
        command
            .env("QEMU_NSM_KEY", &signer.key)
            .env("QEMU_NSM_CERT", &signer.certificate)
            .env("QEMU_NSM_CABUNDLE", chain.join(OsStr::new(":")))
            .arg("-L")
            .arg(self.rig.firmware())
            .args(["-M", &format!("nitro-enclave,vsock=c,id={module_id}")])
            .arg("-kernel")
            .arg(&self.eif)
            .arg("-chardev")
            .arg(with_path("socket,id=c,path=", &dir.vhost(self.number)))
            .args(["-accel", "tcg", "-cpu", "max", "-smp", "1"])
            .args(["-m", &format!("{MEMORY_MB}M")])
            .args(["-display", "none", "-nodefaults", "-no-reboot"])
            .arg("-chardev")
            .arg(with_path(
                "file,id=console,append=on,path=",
                &dir.console(self.number),
            ))
            .args(["-serial", "chardev:console"])
            // Not measured: the enclave takes nothing else from here than the parent's address. An
            // emulated TSC on a busy host looks unstable to the kernel's watchdog.
            .args([
                "-append",
                &format!(
                    "openkey.parent_cid={PARENT_CID} tsc_early_khz=2000000 tsc=reliable reboot=t"
                ),
            ]);
        Ok(command)
    }
}

/// The file beside the NSM's key that says whose it is.
const MODULE_ID: &str = "module-id";

/// Gives the NSM of a running machine a new certificate for its key.
pub(crate) fn renew(dir: &Dir, number: u8) -> anyhow::Result<()> {
    let nsm = dir.machine_nsm(number);
    let module_id = std::fs::read_to_string(nsm.join(MODULE_ID))?;
    let now = now_ms();
    Authority::open(&dir.ca(), now)?.export(&module_id, &nsm, true, now)?;
    Ok(())
}

/// Removes a file that may not be there.
fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn with_path(before: &str, path: &Path) -> OsString {
    let mut argument = OsString::from(before);
    argument.push(path);
    argument
}

fn hybrid(dir: &Dir, number: u8, port: u32) -> Address {
    Address::Hybrid {
        path: dir.vsock(number),
        port,
    }
}

fn host_side(dir: &Dir, number: u8, port: u32) -> Address {
    let mut path = dir.vsock(number).into_os_string();
    path.push(format!("_{port}"));
    Address::Unix(path.into())
}
