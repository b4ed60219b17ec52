//! From a prepared machine to a serving enclave.

use std::{sync::Arc, thread};

use openkey_enclave::{
    BootError, Configuration, Parts, Service, boot,
    channel::{Channels, serve_channel},
    clock::{BootTime, RealTime},
    root::{egress::Egress, hand_over::HandOverSource, kms::KmsSource},
};
use openkey_protocol::{
    message::Class,
    server::{Handler, Instant, ServerOptions, serve},
    store::RecordStore,
    transport::{Address, Listener},
};
use tokio::runtime::Builder;

use crate::init::{end::Fatal, events, heartbeat, host, machine::Machine, release};

/// Where the enclave takes requests.
const REQUESTS: u32 = 7000;
/// Where it takes attested TLS.
const CHANNEL: u32 = 7001;
/// Whoever runs on the parent can connect, and so could a neighbour: neither is trusted, the
/// requests themselves are checked.
const ANYBODY: u32 = u32::MAX;
/// Threads for calls that block: name look-ups of libraries, nothing of ours.
const BLOCKING_THREADS: usize = 4;

/// Serves until it cannot, and says why.
pub(crate) fn run(machine: Machine) -> Fatal {
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    let runtime = Builder::new_multi_thread()
        .worker_threads(cpus)
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        return Fatal::Resources;
    };
    match runtime.block_on(serving(machine)) {
        Ok(()) => Fatal::Ended,
        Err(fatal) => fatal,
    }
}

async fn serving(machine: Machine) -> Result<(), Fatal> {
    tokio::spawn(heartbeat::beat(machine.parent));
    let services = host::services(machine.parent);
    let files = host::boot_files(&services).await;
    let configuration = Configuration::from_json(files.configuration.as_slice())
        .map_err(|_| Fatal::Configuration)?;
    let (queue, outlet) = events::queue();
    tokio::spawn(outlet.run(services.clone()));
    let egress = Egress::new(host::relay(machine.parent));
    let credentials = Arc::new(host::HostCredentials(services.clone()));
    let kms = KmsSource::new(egress, credentials);
    let hand_over = HandOverSource::new(host::relay(machine.parent));
    let parts = Parts {
        nsm: machine.nsm,
        sources: vec![Box::new(hand_over), Box::new(kms)],
        configuration,
        files,
        store: services,
        monotonic: Arc::new(BootTime),
        wall: Arc::new(RealTime),
        events: Arc::new(queue),
        release: release::RELEASE.to_owned(),
        epoch: openkey_enclave::RELEASE_EPOCH,
        capacity: machine.capacity,
    };
    let service = boot(parts).await.map_err(fatal)?;
    let service = Arc::new(service);
    let channels = Arc::new(Channels::new(Arc::clone(service.platform())));
    let on_channel = serve_channel(
        listen(CHANNEL)?,
        channels,
        Arc::clone(&service),
        std::future::pending(),
    );
    let requests = serve(
        listen(REQUESTS)?,
        Shared(service),
        ServerOptions::default(),
        std::future::pending(),
    );
    tokio::join!(requests, on_channel);
    Ok(())
}

fn listen(port: u32) -> Result<Listener, Fatal> {
    let address = Address::Vsock { cid: ANYBODY, port };
    address.listen().map_err(|_| Fatal::Listen)
}

/// One service behind both ports.
struct Shared<S>(Arc<Service<S>>);

impl<S: RecordStore> Handler for Shared<S> {
    async fn handle(&self, class: Class, body: Vec<u8>, deadline: Instant) -> Vec<u8> {
        self.0.handle(class, body, deadline).await
    }
}

fn fatal(error: BootError) -> Fatal {
    match error {
        BootError::Nsm(_) | BootError::NsmShape => Fatal::Nsm,
        BootError::Measurement => Fatal::Measurement,
        BootError::Entropy(_) => Fatal::Entropy,
        BootError::RootKey(_) | BootError::NoSource => Fatal::RootSource,
        BootError::RelyingParty => Fatal::Configuration,
        _ => Fatal::Boot,
    }
}
