//! The strict reader.

use super::{
    COMMAND_LINE, DEFAULT_CPUS, DEFAULT_MEMORY, Error, HEADER, Image, KERNEL, MAGIC, MAX_IMAGE,
    METADATA, RAMDISK, SECTION_HEADER, SIGNATURE, TABLE, VERSION, to_u64,
};

/// Kernel, command line, metadata, one ramdisk.
const FEWEST_SECTIONS: u16 = 4;

/// Reads from the front, and says what is being read when the bytes end.
struct Reader<'a> {
    rest: &'a [u8],
    part: &'static str,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let (head, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or(Error::Short(self.part))?;
        self.rest = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (head, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(Error::Short(self.part))?;
        self.rest = rest;
        Ok(*head)
    }

    fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, Error> {
        self.array().map(u64::from_be_bytes)
    }

    fn table(&mut self) -> Result<[u64; TABLE], Error> {
        let mut table = [0; TABLE];
        for row in &mut table {
            *row = self.u64()?;
        }
        Ok(table)
    }
}

/// What the header says about the sections.
struct Header {
    count: u16,
    offsets: [u64; TABLE],
    sizes: [u64; TABLE],
    crc: u32,
}

fn header(reader: &mut Reader<'_>) -> Result<Header, Error> {
    if reader.array()? != MAGIC {
        return Err(Error::Magic);
    }
    let version = reader.u16()?;
    if version != VERSION {
        return Err(Error::Version(version));
    }
    let flags = reader.u16()?;
    if flags != 0 {
        return Err(Error::Flags(flags));
    }
    if reader.u64()? != DEFAULT_MEMORY {
        return Err(Error::Header("default memory"));
    }
    if reader.u64()? != DEFAULT_CPUS {
        return Err(Error::Header("default number of CPUs"));
    }
    if reader.u16()? != 0 {
        return Err(Error::Header("reserved field"));
    }
    let count = reader.u16()?;
    if count < FEWEST_SECTIONS || usize::from(count) > TABLE {
        return Err(Error::Sections(count));
    }
    let offsets = reader.table()?;
    let sizes = reader.table()?;
    if reader.u32()? != 0 {
        return Err(Error::Header("unused field"));
    }
    let crc = reader.u32()?;
    let unused = |table: &[u64]| table.iter().skip(usize::from(count)).any(|row| *row != 0);
    if unused(&offsets) || unused(&sizes) {
        return Err(Error::Table);
    }
    Ok(Header {
        count,
        offsets,
        sizes,
        crc,
    })
}

pub(super) fn image(bytes: &[u8]) -> Result<Image, Error> {
    if bytes.len() > MAX_IMAGE {
        return Err(Error::Size(bytes.len()));
    }
    let mut reader = Reader {
        rest: bytes,
        part: "header",
    };
    let header = header(&mut reader)?;
    let body = reader.rest;
    let last = usize::from(header.count) - 1;

    let mut image = Image {
        kernel: Vec::new(),
        command_line: String::new(),
        metadata: Vec::new(),
        ramdisks: Vec::new(),
        signature: None,
    };
    let rows = header.offsets.iter().zip(&header.sizes);
    for (position, (offset, size)) in rows.take(usize::from(header.count)).enumerate() {
        reader.part = "sections";
        if *offset != to_u64(bytes.len() - reader.rest.len()) {
            return Err(Error::Gap(position));
        }
        let kind = reader.u16()?;
        let flags = reader.u16()?;
        if flags != 0 {
            return Err(Error::Flags(flags));
        }
        if reader.u64()? != *size {
            return Err(Error::TwoSizes(position));
        }
        let size = usize::try_from(*size).map_err(|_| Error::Short("sections"))?;
        let data = reader.take(size)?;
        match (position, kind) {
            (0, KERNEL) => image.kernel = data.to_vec(),
            (1, COMMAND_LINE) => {
                image.command_line =
                    String::from_utf8(data.to_vec()).map_err(|_| Error::CommandLine)?;
            }
            (2, METADATA) => image.metadata = data.to_vec(),
            (3.., RAMDISK) => image.ramdisks.push(data.to_vec()),
            (4.., SIGNATURE) if position == last => image.signature = Some(data.to_vec()),
            _ => return Err(Error::Order { position, kind }),
        }
    }
    if !reader.rest.is_empty() {
        return Err(Error::Trailing(reader.rest.len()));
    }
    image.check()?;

    let mut crc = crc32fast::Hasher::new();
    crc.update(bytes.get(..HEADER - size_of::<u32>()).unwrap_or_default());
    crc.update(body);
    if crc.finalize() != header.crc {
        return Err(Error::Checksum);
    }
    Ok(image)
}

// A section's header is what `image` reads of it.
const _: () = assert!(SECTION_HEADER == 2 + 2 + 8);
const _: () = assert!(HEADER == 4 + 2 + 2 + 8 + 8 + 2 + 2 + 2 * 8 * TABLE + 4 + 4);
