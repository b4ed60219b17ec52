//! The Enclave Image Format (EIF), version 4: what Nitro boots.
//!
//! A header of 548 bytes and up to 32 sections, all integers big-endian:
//!
//! ```text
//! header   ".eif" | version u16 | flags u16 | memory u64 | CPUs u64 | 0 u16 | sections u16
//!          | offset u64 × 32 | size u64 × 32 | 0 u32 | CRC-32 u32
//! section  kind u16 | flags u16 | size u64 | size bytes
//! ```
//!
//! Kinds: 1 kernel, 2 command line, 3 ramdisk, 4 signature, 5 metadata (JSON). The CRC (ISO-HDLC, as in
//! zlib) covers everything but itself. Source: aws-nitro-enclaves-image-format, and QEMU's
//! `hw/core/eif.c`, which reads the same files.
//!
//! Readers of this format differ in what they do with sections that overlap, repeat or come in another
//! order, so one file can measure differently than it boots. [`Image::decode`] therefore takes one
//! layout only, the one [`Image::encode`] and AWS's builder write: kernel, command line, metadata, one
//! or more ramdisks, at most one signature, without gaps. What it accepts, it encodes to the same bytes.

mod decode;
mod error;

pub use error::Error;

use crate::pcr::Measurements;

/// First bytes of every image.
pub const MAGIC: [u8; 4] = *b".eif";
/// The only version that is written and read.
pub const VERSION: u16 = 4;
/// The header's size in bytes.
pub const HEADER: usize = 548;
/// The size in bytes of a section's own header.
pub const SECTION_HEADER: usize = 12;
/// Rows in the header's tables of sections.
pub const TABLE: usize = 32;
/// Memory in bytes that AWS's builder writes as the default; `nitro-cli run-enclave` asks anyway.
pub const DEFAULT_MEMORY: u64 = 1 << 30;
/// CPUs that AWS's builder writes as the default; `nitro-cli run-enclave` asks anyway.
pub const DEFAULT_CPUS: u64 = 2;

/// Largest image in bytes: eight times what an enclave image of this project may weigh.
pub const MAX_IMAGE: usize = 256 << 20;
/// Longest command line in bytes: the kernel cuts at 2048, with what the hypervisor appends.
pub const MAX_COMMAND_LINE: usize = 1536;
/// Largest metadata in bytes: a JSON object of a dozen short strings.
pub const MAX_METADATA: usize = 64 << 10;
/// Most ramdisks: AWS's builder makes two, this one too; the rest is for images of others.
pub const MAX_RAMDISKS: usize = 8;
/// Largest signature section in bytes: certificate and COSE signature for one PCR.
pub const MAX_SIGNATURE: usize = 64 << 10;

pub(crate) const KERNEL: u16 = 1;
pub(crate) const COMMAND_LINE: u16 = 2;
pub(crate) const RAMDISK: u16 = 3;
pub(crate) const SIGNATURE: u16 = 4;
pub(crate) const METADATA: u16 = 5;

/// An enclave image, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// A bzImage.
    pub kernel: Vec<u8>,
    /// Printable ASCII, no line end.
    pub command_line: String,
    /// A JSON object for people and `nitro-cli describe-eif`. **Not measured**: trust nothing in it.
    pub metadata: Vec<u8>,
    /// Unpacked over each other, in this order. The first is measured into PCR1, the others into PCR2.
    pub ramdisks: Vec<Vec<u8>>,
    /// The signature section as it stands in the file (what PCR8 is made of); nothing here checks it.
    pub signature: Option<Vec<u8>>,
}

impl Image {
    /// The bytes of the file.
    ///
    /// # Errors
    /// The rule of [`Image::decode`] that a part breaks.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        self.check()?;
        let mut sections: Vec<(u16, &[u8])> = vec![
            (KERNEL, &self.kernel),
            (COMMAND_LINE, self.command_line.as_bytes()),
            (METADATA, &self.metadata),
        ];
        sections.extend(self.ramdisks.iter().map(|disk| (RAMDISK, disk.as_slice())));
        sections.extend(self.signature.iter().map(|sig| (SIGNATURE, sig.as_slice())));

        let mut body = Vec::new();
        let mut offsets = Vec::with_capacity(TABLE);
        let mut sizes = Vec::with_capacity(TABLE);
        for (kind, data) in &sections {
            offsets.push(to_u64(HEADER + body.len()));
            sizes.push(to_u64(data.len()));
            body.extend_from_slice(&kind.to_be_bytes());
            body.extend_from_slice(&0_u16.to_be_bytes());
            body.extend_from_slice(&to_u64(data.len()).to_be_bytes());
            body.extend_from_slice(data);
        }
        offsets.resize(TABLE, 0);
        sizes.resize(TABLE, 0);

        let mut file = Vec::with_capacity(HEADER + body.len());
        file.extend_from_slice(&MAGIC);
        file.extend_from_slice(&VERSION.to_be_bytes());
        file.extend_from_slice(&0_u16.to_be_bytes()); // flags: x86-64
        file.extend_from_slice(&DEFAULT_MEMORY.to_be_bytes());
        file.extend_from_slice(&DEFAULT_CPUS.to_be_bytes());
        file.extend_from_slice(&0_u16.to_be_bytes());
        file.extend_from_slice(
            &u16::try_from(sections.len())
                .unwrap_or(u16::MAX)
                .to_be_bytes(),
        );
        for number in offsets.iter().chain(&sizes) {
            file.extend_from_slice(&number.to_be_bytes());
        }
        file.extend_from_slice(&0_u32.to_be_bytes());
        let mut crc = crc32fast::Hasher::new();
        crc.update(&file);
        crc.update(&body);
        file.extend_from_slice(&crc.finalize().to_be_bytes());
        file.extend_from_slice(&body);
        if file.len() > MAX_IMAGE {
            return Err(Error::Size(file.len()));
        }
        Ok(file)
    }

    /// Reads a file: strictly (see the [module](self)) and within the bounds above.
    ///
    /// # Errors
    /// The first rule that `bytes` break.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        decode::image(bytes)
    }

    /// What a Nitro hypervisor measures when it boots this image.
    #[must_use]
    pub fn measurements(&self) -> Measurements {
        let ramdisks: Vec<&[u8]> = self.ramdisks.iter().map(Vec::as_slice).collect();
        Measurements::of(&self.kernel, self.command_line.as_bytes(), &ramdisks)
    }

    /// The rules for the parts; the layout has its own in `decode`.
    fn check(&self) -> Result<(), Error> {
        if self.kernel.is_empty() {
            return Err(Error::Empty("kernel"));
        }
        let line = self.command_line.as_bytes();
        if line.is_empty() {
            return Err(Error::Empty("command line"));
        }
        if line.len() > MAX_COMMAND_LINE || line.iter().any(|byte| !(0x20..0x7f).contains(byte)) {
            return Err(Error::CommandLine);
        }
        let object = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>;
        if self.metadata.len() > MAX_METADATA || object(&self.metadata).is_err() {
            return Err(Error::Metadata);
        }
        if self.ramdisks.is_empty() || self.ramdisks.len() > MAX_RAMDISKS {
            return Err(Error::Ramdisks(self.ramdisks.len()));
        }
        if self.ramdisks.iter().any(Vec::is_empty) {
            return Err(Error::Empty("ramdisk"));
        }
        match &self.signature {
            Some(signature) if signature.is_empty() => Err(Error::Empty("signature")),
            Some(signature) if signature.len() > MAX_SIGNATURE => Err(Error::Signature),
            _ => Ok(()),
        }
    }
}

/// Lengths of slices fit 64 bits on every platform there is.
fn to_u64(length: usize) -> u64 {
    length as u64
}
