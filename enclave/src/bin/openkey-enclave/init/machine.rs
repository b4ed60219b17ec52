//! What the program does to the machine before anything else runs on it.

use std::{
    env,
    fs::{self, File},
    io::Write as _,
    thread,
    time::{Duration, Instant},
};

use openkey_enclave::nsm::{Device, Nsm as _, NsmRequest, NsmResponse};
use rustix::{
    fs::{Mode, mkdir},
    io::Errno,
    mm::{MlockAllFlags, mlockall},
    mount::{MountFlags, mount, mount_remount},
    process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit},
    rand::{GetRandomFlags, getrandom},
};

use crate::init::{
    capacity,
    checks::{self, ClockSource},
    end::Fatal,
};
use openkey_enclave::boot::Capacity;

/// A machine that may be served from.
pub(crate) struct Machine {
    /// The NSM. Opened once.
    pub(crate) nsm: Device,
    /// The host's context id.
    pub(crate) parent: u32,
    /// What its memory allows.
    pub(crate) capacity: Capacity,
}

/// How long the kernel may take to decide on its clock source, or to have entropy.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is asked.
const PAUSE: Duration = Duration::from_millis(20);
/// How many answers of the NSM are stirred into the kernel's pool: 256 bytes each.
const STIRRED: usize = 2;

/// Mounts, limits, checks, entropy: in this order, since each needs the ones before.
pub(crate) fn prepare() -> Result<Machine, Fatal> {
    mounts()?;
    memory_stays()?;
    let parent = checks::parent_cid(&read("/proc/cmdline").ok_or(Fatal::CommandLine)?)?;
    environment()?;
    interfaces()?;
    let source = read("/sys/class/misc/hw_random/rng_current").ok_or(Fatal::RandomSource)?;
    checks::random_source(&source)?;
    let nsm = Device::open().map_err(|_| Fatal::Nsm)?;
    stir(&nsm)?;
    entropy_is_ready()?;
    clock_source()?;
    let meminfo = read("/proc/meminfo");
    Ok(Machine {
        nsm,
        parent,
        capacity: capacity::of(meminfo.as_deref().and_then(checks::memory)),
    })
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

fn mounts() -> Result<(), Fatal> {
    let closed = MountFlags::NOSUID | MountFlags::NOEXEC | MountFlags::NODEV;
    let devices = MountFlags::NOSUID | MountFlags::NOEXEC;
    let all = [
        ("proc", "/proc", closed),
        ("sysfs", "/sys", closed | MountFlags::RDONLY),
        ("devtmpfs", "/dev", devices),
    ];
    for (kind, at, flags) in all {
        match mkdir(at, Mode::from_raw_mode(0o555)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(_) => return Err(Fatal::Mounts),
        }
        match mount(kind, at, kind, flags, None) {
            // The kernel may have mounted its devices already.
            Ok(()) | Err(Errno::BUSY) => {}
            Err(_) => return Err(Fatal::Mounts),
        }
    }
    // Nothing is ever written. Not every kernel lets the first root be changed, and nothing depends
    // on it: it lies in memory.
    let _ = mount_remount("/", MountFlags::RDONLY, "");
    Ok(())
}

/// Keys stay in memory: no core files, no debugger, no swap.
fn memory_stays() -> Result<(), Fatal> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none).map_err(|_| Fatal::Cores)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|_| Fatal::Cores)?;
    // There is no swap; locked pages would not go there if there were. Pages are locked as they
    // are used, so that stacks do not take memory they never need.
    let pages = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    let _ = mlockall(pages);
    Ok(())
}

fn environment() -> Result<(), Fatal> {
    let variables: Vec<(String, String)> = env::vars_os()
        .map(|(name, value)| {
            let text = |it: std::ffi::OsString| it.to_string_lossy().into_owned();
            (text(name), text(value))
        })
        .collect();
    checks::environment(variables.iter().map(|(n, v)| (n.as_str(), v.as_str())))
}

fn interfaces() -> Result<(), Fatal> {
    let entries = fs::read_dir("/sys/class/net").map_err(|_| Fatal::Network)?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|_| Fatal::Network)?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    checks::interfaces(names.iter().map(String::as_str))
}

/// Writes the NSM's random bytes to the kernel's pool, which everything else draws from.
fn stir(nsm: &Device) -> Result<(), Fatal> {
    let mut pool = File::options()
        .write(true)
        .open("/dev/urandom")
        .map_err(|_| Fatal::Entropy)?;
    for _ in 0..STIRRED {
        let Ok(NsmResponse::Random(bytes)) = nsm.call(NsmRequest::Random) else {
            return Err(Fatal::Nsm);
        };
        if bytes.as_slice().is_empty() {
            return Err(Fatal::Entropy);
        }
        pool.write_all(bytes.as_slice())
            .map_err(|_| Fatal::Entropy)?;
    }
    Ok(())
}

/// The kernel's generator is seeded, or nothing begins.
fn entropy_is_ready() -> Result<(), Fatal> {
    let began = Instant::now();
    loop {
        let mut bytes = [0_u8; 32];
        match getrandom(&mut bytes[..], GetRandomFlags::NONBLOCK) {
            Ok(read) if read == bytes.len() => return Ok(()),
            _ if began.elapsed() > PATIENCE => return Err(Fatal::Entropy),
            _ => thread::sleep(PAUSE),
        }
    }
}

fn clock_source() -> Result<(), Fatal> {
    let path = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    let began = Instant::now();
    loop {
        let current = read(path).ok_or(Fatal::ClockSource)?;
        match checks::clock_source(&current)? {
            ClockSource::Good => return Ok(()),
            ClockSource::Undecided if began.elapsed() > PATIENCE => return Err(Fatal::ClockSource),
            ClockSource::Undecided => thread::sleep(PAUSE),
        }
    }
}
