//! An image directory as `openkey-image build` makes it.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::files;
use crate::nsm::measure::Measurement;

/// The image.
const EIF: &str = "enclave.eif";
/// What it measures.
const MEASUREMENTS: &str = "measurements.json";
/// What it was built from, unsigned.
const DRAFT: &str = "draft.json";

/// Why a directory holds no image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// A file is missing or cannot be read.
    #[error("{path}: {error}: name a directory that `openkey-image build --out DIR` made")]
    File {
        /// The file's path.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path}: {reason}")]
    Content {
        /// The file's path.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// An image with its measurements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    dir: PathBuf,
    /// PCR0, PCR1, PCR2.
    pub measurement: Measurement,
    /// The release epoch.
    pub epoch: u32,
    /// `draft.json`, as it is.
    pub release: Value,
}

impl Image {
    /// Reads a directory.
    ///
    /// # Errors
    ///
    /// [`ImageError`].
    pub fn open(dir: &Path) -> Result<Self, ImageError> {
        let dir = std::fs::canonicalize(dir).map_err(|error| file(dir, error))?;
        let eif = dir.join(EIF);
        std::fs::metadata(&eif).map_err(|error| file(&eif, error))?;
        let path = dir.join(MEASUREMENTS);
        let measurements = json(&path)?;
        let pcr = |index: u8| {
            pcr(&measurements, index).ok_or_else(|| ImageError::Content {
                path: path.clone(),
                reason: format!("has no PCR{index}"),
            })
        };
        let measurement = Measurement {
            pcr0: pcr(0)?,
            pcr1: pcr(1)?,
            pcr2: pcr(2)?,
        };
        let release_path = dir.join(DRAFT);
        let release = json(&release_path)?;
        let manifest = draft(&release);
        let epoch = manifest.get("epoch").and_then(Value::as_u64);
        let epoch = epoch.and_then(|epoch| u32::try_from(epoch).ok());
        Ok(Self {
            epoch: epoch.ok_or_else(|| ImageError::Content {
                path: release_path,
                reason: "has no epoch".to_owned(),
            })?,
            dir,
            measurement,
            release,
        })
    }

    /// What a release of it says, before it is completed and signed.
    #[must_use]
    pub fn draft(&self) -> &Value {
        draft(&self.release)
    }

    /// Copies it, so that it stays when its directory is built anew.
    ///
    /// # Errors
    ///
    /// [`ImageError::File`].
    pub fn keep(&self, under: &Path) -> Result<Self, ImageError> {
        let to = under.join(self.name());
        if to != self.dir {
            files::private_dir(&to).map_err(|error| file(&to, error))?;
            for name in [EIF, MEASUREMENTS, DRAFT] {
                let from = self.dir.join(name);
                let bytes = std::fs::read(&from).map_err(|error| file(&from, error))?;
                let path = to.join(name);
                files::write_public(&path, &bytes).map_err(|error| file(&path, error))?;
            }
        }
        Ok(Self {
            dir: std::fs::canonicalize(&to).map_err(|error| file(&to, error))?,
            ..self.clone()
        })
    }

    /// A short name of its own: the beginning of its PCR0.
    #[must_use]
    pub fn name(&self) -> String {
        self.measurement
            .pcr0
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// Where it is.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The image file.
    #[must_use]
    pub fn eif(&self) -> PathBuf {
        self.dir.join(EIF)
    }
}

/// A register: `{"PCR0":…}`, as AWS's tools print it inside `Measurements`, or `{"0":…}` inside
/// `pcrs`.
/// A builder's draft stands alone, or where a signed manifest has its own.
fn draft(release: &Value) -> &Value {
    release.get("manifest").unwrap_or(release)
}

fn pcr(measurements: &Value, index: u8) -> Option<[u8; 48]> {
    let names = [
        format!("PCR{index}"),
        format!("pcr{index}"),
        index.to_string(),
    ];
    let places = ["Measurements", "measurements", "pcrs"].map(|name| measurements.get(name));
    let mut values = places.into_iter().flatten().chain([measurements]);
    let text = values.find_map(|value| {
        names
            .iter()
            .find_map(|name| value.get(name).and_then(Value::as_str))
    })?;
    hex::decode(text).ok()?.try_into().ok()
}

fn json(path: &Path) -> Result<Value, ImageError> {
    let bytes = std::fs::read(path).map_err(|error| file(path, error))?;
    serde_json::from_slice(&bytes).map_err(|error| ImageError::Content {
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

fn file(path: &Path, error: io::Error) -> ImageError {
    ImageError::File {
        path: path.to_owned(),
        error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(dir: &Path, pcr0: &str) {
        std::fs::write(dir.join(EIF), pcr0).unwrap();
        let other = "22".repeat(48);
        let text = format!(r#"{{"PCR0":"{pcr0}","PCR1":"{other}","PCR2":"{other}"}}"#);
        std::fs::write(dir.join(MEASUREMENTS), text).unwrap();
        std::fs::write(dir.join(DRAFT), r#"{"epoch":7}"#).unwrap();
    }

    #[test]
    fn an_image_is_read_and_kept_under_its_measurement() {
        let dir = tempfile::tempdir().unwrap();
        let error = Image::open(dir.path()).unwrap_err();
        assert!(error.to_string().contains("openkey-image build"), "{error}");
        image(dir.path(), &"ab".repeat(48));
        let opened = Image::open(dir.path()).unwrap();
        assert_eq!((opened.epoch, opened.measurement.pcr0), (7, [0xab; 48]));
        let keep = tempfile::tempdir().unwrap();
        let kept = opened.keep(keep.path()).unwrap();
        assert!(kept.dir().ends_with("abababababababab"));
        assert_eq!(kept.keep(keep.path()).unwrap(), kept);
        image(dir.path(), &"cd".repeat(48));
        assert_eq!(Image::open(kept.dir()).unwrap(), kept);
        std::fs::write(dir.path().join(MEASUREMENTS), "{}").unwrap();
        let error = Image::open(dir.path()).unwrap_err();
        assert!(error.to_string().contains("PCR0"), "{error}");
    }
}
