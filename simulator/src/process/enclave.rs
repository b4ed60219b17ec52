//! The trusted program as a process, on a simulated NSM.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use openkey_enclave::boot::{Capacity, DEFAULT_ACCOUNTS};
use openkey_enclave::channel::{Channels, serve_channel};
use openkey_enclave::clock::{BootTime, RealTime};
use openkey_enclave::event::EnclaveEvent;
use openkey_enclave::root::Obtaining;
use openkey_enclave::root::egress::Egress;
use openkey_enclave::root::hand_over::HandOverSource;
use openkey_enclave::root::kms::KmsSource;
use openkey_enclave::{Configuration, Parts, Platform, RootKey, RootKeySource, SourceError, boot};
use openkey_protocol::client::{Client, ClientOptions};
use openkey_protocol::host::HostClient;
use openkey_protocol::message::{BootFiles, RootSource};
use openkey_protocol::relay::{Relay, RelayClient};
use openkey_protocol::server::{ServerOptions, serve};
use openkey_protocol::transport::{Address, Listener};

use super::{ProcessOptions, enclave_id, life};
use crate::ca::Authority;
use crate::dir::{Dir, RootKind};
use crate::fault::{Board, FaultyClock, FaultyConnector, FaultyListener, FaultyNsm};
use crate::nsm::measure::Measurement;
use crate::nsm::{SoftNsm, system_clock};
use crate::time::now_ms;

/// How long the host may take for one request.
const HOST_DEADLINE: Duration = Duration::from_secs(5);
/// Between attempts while the host is not there yet.
const PAUSE: Duration = Duration::from_millis(50);
/// How long requests may go on when told to stop: host-proxy has let its own end by then.
const GRACE: Duration = Duration::from_millis(300);
/// New accounts in a minute: nobody's time is worth protecting here, and a load test makes a
/// thousand.
const SIGN_UPS_PER_MINUTE: u32 = 1_000_000;

pub(super) async fn run(
    dir: &Dir,
    number: u8,
    options: &ProcessOptions,
    board: Arc<Board>,
) -> anyhow::Result<()> {
    let kept = dir.kept()?.context("config.json is missing")?;
    let stop = life::stop(true)?;
    tokio::pin!(stop);
    let id = enclave_id(number);
    let measurement = Measurement::of_this_program().context("cannot measure this program")?;
    let authority = Authority::open(&dir.ca(), now_ms())?;
    let nsm = SoftNsm::boot(authority, &measurement, system_clock())?;
    tracing::info!(module_id = nsm.module_id(), "booting");
    let host = Address::Unix(dir.services_socket(&id));
    let host = FaultyConnector::new(host, Arc::clone(&board));
    let host = HostClient::new(Client::new(host, ClientOptions::default()), HOST_DEADLINE);
    let (sources, configuration, files) = if kept.root == RootKind::Development {
        let development: Box<dyn RootKeySource> = Box::new(DevelopmentRoot(dir.clone()));
        (
            vec![development],
            kept.configuration()?,
            BootFiles::default(),
        )
    } else {
        // From here on as an image does.
        let files = tokio::select! {
            files = boot_files(&host) => files,
            () = &mut stop => return Ok(()),
        };
        let configuration = Configuration::from_json(files.configuration.as_slice())?;
        let relay: Arc<dyn Relay> =
            Arc::new(RelayClient::new(Address::Unix(dir.relay_socket(&id))));
        let hand_over: Box<dyn RootKeySource> = Box::new(HandOverSource::new(Arc::clone(&relay)));
        let egress = Egress::new(relay);
        let kms: Box<dyn RootKeySource> = Box::new(KmsSource::new(egress, Arc::new(host.clone())));
        (vec![hand_over, kms], configuration, files)
    };
    let parts = Parts {
        nsm: FaultyNsm::new(nsm, Arc::clone(&board)),
        sources,
        files,
        configuration,
        store: host,
        monotonic: Arc::new(BootTime),
        wall: Arc::new(FaultyClock::new(RealTime, Arc::clone(&board))),
        events: Arc::new(log),
        release: env!("CARGO_PKG_VERSION").to_owned(),
        epoch: openkey_enclave::RELEASE_EPOCH,
        capacity: Capacity {
            accounts: options.accounts.unwrap_or(DEFAULT_ACCOUNTS),
            sign_ups_per_minute: SIGN_UPS_PER_MINUTE,
            ..Capacity::default()
        },
    };
    let enclave = Arc::new(boot(parts).await?);
    let listener = listen(Address::Unix(dir.enclave_socket(&id)))?;
    let listener = FaultyListener::new(listener, board);
    let options = ServerOptions {
        grace: GRACE,
        ..ServerOptions::default()
    };
    let on_channel = listen(Address::Unix(dir.channel_socket(&id)))?;
    let channels = Arc::new(Channels::new(Arc::clone(enclave.platform())));
    let channel = serve_channel(
        on_channel,
        channels,
        Arc::clone(&enclave),
        std::future::pending(),
    );
    tokio::select! {
        // ends with the process
        () = channel => {}
        () = serve(listener, enclave, options, stop) => {}
    }
    Ok(())
}

fn listen(address: Address) -> anyhow::Result<Listener> {
    let listener = address.listen();
    listener.with_context(|| format!("cannot listen at {address}"))
}

/// What the host hands over, waited for as long as it takes.
async fn boot_files(host: &HostClient) -> BootFiles {
    loop {
        match host.boot_files().await {
            Ok(files) => return files,
            Err(error) => tracing::debug!(%error, "no boot files yet"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn log(event: EnclaveEvent) {
    match event {
        EnclaveEvent::Answered { .. } => tracing::debug!(?event, "enclave"),
        event if event.is_routine() => tracing::info!(?event, "enclave"),
        event => tracing::warn!(?event, "enclave"),
    }
}

/// The root key of a file. Evidence says `development`, which protects nothing.
struct DevelopmentRoot(Dir);

impl RootKeySource for DevelopmentRoot {
    fn source(&self) -> RootSource {
        RootSource::Development
    }

    fn obtain<'a>(&'a self, _: &'a Platform) -> Obtaining<'a, RootKey> {
        Box::pin(async {
            let key = self.0.root_key().map_err(|error| {
                tracing::error!(%error, "no root key");
                SourceError::new("The simulation's directory holds no root key.")
            })?;
            Ok(RootKey::new(&key))
        })
    }
}
