//! What an enclave asks of its host beside frames to answer: records, boot files, credentials, a
//! place for its events; and the first words on a relayed connection.
//!
//! The host is trusted with nothing: boot files are measured or hashed, records are sealed.

use serde::{Deserialize, Serialize};

use super::{AwsCredentials, Bytes, Class, ErrorCode, RootSource, StoreReply, StoreRequest};

/// Longest file of [`BootFiles`], in bytes.
pub const MAX_BOOT_FILE: usize = 64 * 1024;
/// Most events in one [`HostRequest::Events`].
pub const MAX_EVENTS: usize = 256;
/// Longest [`RelayRequest`] or [`RelayReply`], in bytes.
pub const MAX_RELAY_WORD: usize = 512;
/// Most peers that a host offers.
pub const MAX_PEERS: u32 = 64;

/// One request to the host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum HostRequest {
    /// To the sealed-record store.
    Store(StoreRequest),
    /// Everything the host hands over at boot.
    BootFiles,
    /// AWS credentials for the next minutes.
    Credentials,
    /// Events for the host's log and metrics; at most [`MAX_EVENTS`].
    Events(Vec<EnclaveEvent>),
}

/// One reply of the host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum HostReply {
    /// To [`HostRequest::Store`].
    Store(StoreReply),
    /// To [`HostRequest::BootFiles`].
    BootFiles(BootFiles),
    /// To [`HostRequest::Credentials`].
    Credentials(AwsCredentials),
    /// To [`HostRequest::Events`].
    Noted,
    /// The request was not understood, or cannot be served.
    Failed {
        /// For the log.
        reason: String,
    },
}

/// What the host hands over at boot; each at most [`MAX_BOOT_FILE`] bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootFiles {
    /// The run-time configuration (JSON). Measured before any key exists.
    pub configuration: Bytes,
    /// The root descriptor (CBOR), where there was a genesis. Must hash to the root id.
    pub descriptor: Option<Bytes>,
    /// CBOR of a [`super::WrappedRoot`].
    pub wrapped: Option<Bytes>,
    /// The release manifest that names this image as a successor (JSON).
    pub manifest: Option<Bytes>,
    /// How many peers the relay can reach, itself perhaps among them.
    pub peers: u32,
}

/// An event that may leave the enclave: closed, without free text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum EnclaveEvent {
    /// The configuration is measured and this boot's keys are ready.
    Booted,
    /// The root key came.
    RootReady {
        /// From where.
        source: RootSource,
    },
    /// A source gave no root key.
    RootSourceFailed {
        /// The source that was asked.
        source: RootSource,
    },
    /// A genesis took place.
    Genesis,
    /// A share was taken, or refused.
    Share {
        /// Whose: the place in the configuration, from 0.
        operator: u32,
        /// Whether it was a good one.
        good: bool,
    },
    /// The root key was handed to another enclave, or refused to it.
    HandedOver {
        /// Whether it was given.
        given: bool,
    },
    /// A successor was announced.
    UpgradeAnnounced {
        /// Its epoch.
        epoch: u32,
    },
    /// An operator consented to a successor.
    UpgradeConsented {
        /// Whose consent: the place in the configuration, from 0.
        operator: u32,
    },
    /// An operator withdrew a successor.
    UpgradeWithdrawn {
        /// Whose withdrawal: the place in the configuration, from 0.
        operator: u32,
    },
    /// The store hid announced successors, or changed them.
    UpgradesHidden,
    /// An operator's secret was kept.
    SecretSet,
    /// A request was answered.
    Answered {
        /// The request's class.
        class: Class,
    },
    /// A request was refused.
    Refused {
        /// The class it arrived under.
        class: Class,
        /// The rule.
        code: ErrorCode,
    },
    /// A new reading of the NSM's time differed from what had been counted, by a second or more.
    ClockCorrected {
        /// Positive if the NSM was ahead.
        by_ms: i64,
    },
    /// The NSM failed.
    NsmFailed,
    /// The store does not answer.
    StoreFailed,
    /// The store answered with an older record than this boot of the enclave has seen, or hid one.
    RolledBack,
    /// The store answered with another history of a record than the one that this boot has seen.
    Forked,
    /// An account is not what a client says: its record is older than the head that the client sent, of
    /// another history, or not there. The store may be an older one, or the head made up: anybody can
    /// send one.
    HeadNotContinued,
    /// A record did not open under its own name.
    RecordCorrupt,
    /// The enclave's own check of a signature failed; nothing was released.
    SelfCheckFailed,
    /// Events were dropped because the host did not take them.
    EventsLost {
        /// How many events were dropped.
        count: u64,
    },
}

impl EnclaveEvent {
    /// Whether it happens to a healthy enclave: anything else is a warning in a log.
    #[must_use]
    pub const fn is_routine(&self) -> bool {
        matches!(
            self,
            Self::Booted
                | Self::RootReady { .. }
                | Self::Genesis
                | Self::Share { good: true, .. }
                | Self::HandedOver { given: true }
                | Self::UpgradeAnnounced { .. }
                | Self::UpgradeConsented { .. }
                | Self::UpgradeWithdrawn { .. }
                | Self::SecretSet
                | Self::Answered { .. }
                | Self::Refused { .. }
                | Self::HeadNotContinued
        )
    }
}

/// The first word on a connection to the host's relay: two bytes of length (big-endian) and this
/// in CBOR. After [`RelayReply::Connected`] the connection carries the other side's bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RelayRequest {
    /// TCP to a host of the measured configuration. TLS ends in the enclave.
    Egress {
        /// A domain name.
        host: String,
        /// The port.
        port: u16,
    },
    /// Another enclave's channel.
    Peer {
        /// From 0 to [`BootFiles::peers`].
        index: u32,
    },
}

/// The relay's answer, encoded likewise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RelayReply {
    /// From the next byte on the other side speaks.
    Connected,
    /// It is not allowed, or nobody answers there.
    Refused {
        /// For the log.
        reason: String,
    },
}
