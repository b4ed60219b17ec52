//! The same parts give the same file as AWS's builder, and either reads the other's the same.
//!
//! `OPENKEY_IMAGE=enclave.eif cargo test` also puts a real image through AWS's reader.

use std::{
    env, fs,
    fs::File,
    path::{Path, PathBuf},
};

use aws_nitro_enclaves_image_format::{
    defs::{EifBuildInfo, EifIdentityInfo},
    utils::{EifBuilder, SignKeyData, eif_reader::EifReader},
};
use openkey_image::{
    build::{COMMAND_LINE, assemble},
    eif::Image,
    pcr::Measurements,
};
use openssl::{
    asn1::Asn1Time,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::PKey,
    x509::{X509, X509NameBuilder},
};
use serde_json::Value;
use sha2::{Digest, Sha384};

fn write(directory: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// The metadata of `image` as AWS's crate has it.
fn identity(image: &Image) -> EifIdentityInfo {
    let value: Value = serde_json::from_slice(&image.metadata).unwrap();
    let text = |value: &Value, name: &str| value[name].as_str().unwrap().to_owned();
    let build = &value["BuildMetadata"];
    EifIdentityInfo {
        img_name: text(&value, "ImageName"),
        img_version: text(&value, "ImageVersion"),
        build_info: EifBuildInfo {
            build_time: text(build, "BuildTime"),
            build_tool: text(build, "BuildTool"),
            build_tool_version: text(build, "BuildToolVersion"),
            img_os: text(build, "OperatingSystem"),
            img_kernel: text(build, "KernelVersion"),
        },
        docker_info: value["DockerInfo"].clone(),
        custom_info: value["CustomMetadata"].clone(),
    }
}

/// The file AWS's builder makes of the parts of `image`, and the measurements it reports.
fn aws(image: &Image, signed_by: Option<SignKeyData>) -> (Vec<u8>, Vec<String>) {
    let scratch = tempfile::tempdir().unwrap();
    let mut builder = EifBuilder::new(
        &write(scratch.path(), "kernel", &image.kernel),
        image.command_line.clone(),
        signed_by,
        Sha384::new(),
        0,
        identity(image),
    );
    for (index, disk) in image.ramdisks.iter().enumerate() {
        builder.add_ramdisk(&write(scratch.path(), &index.to_string(), disk));
    }
    let path = scratch.path().join("image.eif");
    let pcrs = builder.write_to(&mut File::create_new(&path).unwrap());
    let names = ["PCR0", "PCR1", "PCR2"];
    (
        fs::read(path).unwrap(),
        names.map(|name| pcrs[name].clone()).to_vec(),
    )
}

fn ours(measurements: &Measurements) -> Vec<String> {
    let hex = |pcr: &[u8]| pcr.iter().map(|byte| format!("{byte:02x}")).collect();
    measurements.indexed().map(|(_, pcr)| hex(pcr)).to_vec()
}

/// What AWS's reader, the one in `nitro-cli describe-eif`, makes of a file.
fn read_by_aws(bytes: &[u8]) -> Vec<String> {
    let scratch = tempfile::tempdir().unwrap();
    let path = write(scratch.path(), "image.eif", bytes);
    let mut reader = EifReader::from_eif(path.to_str().unwrap().to_owned()).unwrap();
    assert!(reader.check_crc());
    let pcrs = reader.get_measurements().unwrap();
    ["PCR0", "PCR1", "PCR2"]
        .map(|name| pcrs[name].clone())
        .to_vec()
}

fn sample() -> Image {
    // AWS's reader wants nothing of a kernel but bytes.
    let kernel: Vec<u8> = (0..100_000_u32)
        .map(|n| n.to_le_bytes()[n as usize % 4])
        .collect();
    assemble(kernel, b"a program").unwrap()
}

#[test]
fn p3_awss_builder_makes_the_same_bytes_and_measurements() {
    for ramdisks in 1..=4 {
        let mut image = sample();
        image.ramdisks.resize(ramdisks, b"one more".to_vec());
        let (file, pcrs) = aws(&image, None);
        assert!(image.encode().unwrap() == file, "{ramdisks} ramdisks");
        assert_eq!(ours(&image.measurements()), pcrs);
        assert_eq!(Image::decode(&file).unwrap(), image);
    }
}

#[test]
fn p3_awss_reader_measures_our_file_alike() {
    let image = sample();
    assert_eq!(image.command_line, COMMAND_LINE);
    assert_eq!(
        read_by_aws(&image.encode().unwrap()),
        ours(&image.measurements())
    );
}

#[test]
fn an_image_signed_by_awss_builder_is_read_and_measures_the_same() {
    let group = EcGroup::from_curve_name(Nid::SECP384R1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", "test").unwrap();
    let name = name.build();
    let mut certificate = X509::builder().unwrap();
    certificate.set_subject_name(&name).unwrap();
    certificate.set_issuer_name(&name).unwrap();
    certificate.set_pubkey(&key).unwrap();
    certificate
        .set_not_before(&Asn1Time::days_from_now(0).unwrap())
        .unwrap();
    certificate
        .set_not_after(&Asn1Time::days_from_now(1).unwrap())
        .unwrap();
    certificate.sign(&key, MessageDigest::sha384()).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let pem = key.private_key_to_pem_pkcs8().unwrap();
    let key_file = write(scratch.path(), "key.pem", &pem);
    let certificate = certificate.build().to_pem().unwrap();
    let certificate = write(scratch.path(), "certificate.pem", &certificate);

    let image = sample();
    let signer = SignKeyData::new(key_file.to_str().unwrap(), &certificate).unwrap();
    let (file, pcrs) = aws(&image, Some(signer));
    let signed = Image::decode(&file).unwrap();
    assert!(signed.signature.is_some());
    assert_eq!(signed.encode().unwrap(), file);
    assert_eq!(ours(&signed.measurements()), pcrs);
    assert_eq!(ours(&image.measurements()), pcrs);
}

#[test]
fn p3_a_real_image_measures_the_same_for_awss_reader() {
    let Some(path) = env::var_os("OPENKEY_IMAGE") else {
        eprintln!("not run: OPENKEY_IMAGE names no image");
        return;
    };
    let bytes = fs::read(path).unwrap();
    let image = Image::decode(&bytes).unwrap();
    assert_eq!(read_by_aws(&bytes), ours(&image.measurements()));
    assert!(aws(&image, None).0 == bytes);
}
