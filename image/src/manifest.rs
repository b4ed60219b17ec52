//! What is published beside an image: `measurements.json` and the draft of a release manifest.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{kernel, pcr::Measurements, source::Source, toolchain::Toolchain};

/// Version of the release manifest's format.
const MANIFEST_VERSION: u32 = 1;
/// The program a manifest speaks about.
pub const NAME: &str = "openkey-enclave";

/// `measurements.json`: the members `nitro-cli` prints, and what identifies the file.
#[derive(Debug, Clone, Serialize)]
pub struct MeasurementsFile {
    /// As `nitro-cli` writes it.
    #[serde(rename = "HashAlgorithm")]
    pub hash_algorithm: &'static str,
    /// The whole image, 96 hexadecimal digits.
    #[serde(rename = "PCR0")]
    pub pcr0: String,
    /// Kernel and bootstrap.
    #[serde(rename = "PCR1")]
    pub pcr1: String,
    /// The application.
    #[serde(rename = "PCR2")]
    pub pcr2: String,
    /// SHA-256 of the file.
    #[serde(rename = "ImageSha256")]
    pub image_sha256: String,
    /// Its size.
    #[serde(rename = "ImageBytes")]
    pub image_bytes: usize,
}

impl MeasurementsFile {
    /// For an image whose file is `image_bytes` long and hashes to `image_sha256`.
    #[must_use]
    pub fn new(measurements: &Measurements, image_sha256: String, image_bytes: usize) -> Self {
        Self {
            hash_algorithm: "Sha384 { ... }",
            pcr0: hex::encode(measurements.pcr0),
            pcr1: hex::encode(measurements.pcr1),
            pcr2: hex::encode(measurements.pcr2),
            image_sha256,
            image_bytes,
        }
    }
}

/// `draft.json`: a release manifest that maintainers have yet to complete (validity, configuration)
/// and to sign.
#[derive(Debug, Clone, Serialize)]
pub struct Draft {
    /// 1.
    pub version: u32,
    /// Which program.
    pub name: &'static str,
    /// Its release; `+dirty` if the source differs from the commit.
    pub release: String,
    /// Its release epoch, from 1.
    pub epoch: u32,
    /// The commit of the source, 40 hexadecimal digits.
    pub source_commit: String,
    /// SHA-256 of `Cargo.lock`.
    pub cargo_lock_sha256: String,
    /// What a stranger needs the same of.
    pub toolchain: BTreeMap<&'static str, String>,
    /// PCR0–2 by index, 96 hexadecimal digits.
    pub measurements: BTreeMap<String, String>,
}

impl Draft {
    /// For an image of `source` made by `toolchain`.
    #[must_use]
    pub fn new(
        source: &Source,
        toolchain: &Toolchain,
        epoch: u32,
        measurements: &Measurements,
    ) -> Self {
        let dirty = if source.dirty { "+dirty" } else { "" };
        Self {
            version: MANIFEST_VERSION,
            name: NAME,
            release: format!("{}{dirty}", env!("CARGO_PKG_VERSION")),
            epoch,
            source_commit: source.commit.clone(),
            cargo_lock_sha256: source.cargo_lock_sha256.clone(),
            toolchain: BTreeMap::from([
                ("rustc", toolchain.rustc.clone()),
                ("gcc", toolchain.gcc.clone()),
                ("kernel_source_sha256", kernel::SOURCE.sha256.to_owned()),
            ]),
            measurements: measurements
                .indexed()
                .into_iter()
                .map(|(index, pcr)| (index.to_string(), hex::encode(pcr)))
                .collect(),
        }
    }
}

/// The image's own metadata, for people and `nitro-cli describe-eif`: AWS's members in AWS's order, and
/// no time of building.
#[derive(Debug, Clone, Serialize)]
pub struct Metadata {
    #[serde(rename = "ImageName")]
    name: &'static str,
    #[serde(rename = "ImageVersion")]
    version: &'static str,
    #[serde(rename = "BuildMetadata")]
    build: BuildMetadata,
    #[serde(rename = "DockerInfo")]
    docker: Option<()>,
    #[serde(rename = "CustomMetadata")]
    custom: Option<()>,
}

#[derive(Debug, Clone, Serialize)]
struct BuildMetadata {
    #[serde(rename = "BuildTime")]
    time: &'static str,
    #[serde(rename = "BuildTool")]
    tool: &'static str,
    #[serde(rename = "BuildToolVersion")]
    tool_version: &'static str,
    #[serde(rename = "OperatingSystem")]
    system: &'static str,
    #[serde(rename = "KernelVersion")]
    kernel: &'static str,
}

impl Metadata {
    /// Of the image this crate builds.
    #[must_use]
    pub const fn of_image() -> Self {
        Self {
            name: NAME,
            version: env!("CARGO_PKG_VERSION"),
            build: BuildMetadata {
                time: "1970-01-01T00:00:00Z",
                tool: env!("CARGO_PKG_NAME"),
                tool_version: env!("CARGO_PKG_VERSION"),
                system: "Linux",
                kernel: kernel::VERSION,
            },
            docker: None,
            custom: None,
        }
    }
}
