//! Distinguished names in the shape of the hardware's.
//!
//! Attribute order and string types are those of real chains: `C … CN` everywhere except in the
//! zonal name, which begins with its CN; country a PrintableString, everything else UTF8String.
//! The values say whose certificates these are not.

use rcgen::{DistinguishedName, DnType, DnValue};

/// An ISO 3166 code that is nobody's country ("user-assigned").
const COUNTRY: &str = "XX";
const STATE: &str = "Nowhere";
const ZONAL_STATE: &str = "NW";
const LOCALITY: &str = "Localhost";
const ORGANIZATION: &str = "OpenKey";
const UNIT: &str = "Simulator";

/// The region in every name; hardware has its AWS region there.
const REGION: &str = "sim-local-1";

/// Stands where AWS's chains say `aws.nitro-enclaves`.
const SUFFIX: &str = "sim.nitro-enclaves";

fn text(value: &str) -> DnValue {
    DnValue::Utf8String(value.to_owned())
}

fn country() -> DnValue {
    // `COUNTRY` is two ASCII letters: a PrintableString always.
    COUNTRY
        .try_into()
        .map_or_else(|_| text(COUNTRY), DnValue::PrintableString)
}

/// The subject of the root.
pub(super) fn root() -> DistinguishedName {
    short(SUFFIX)
}

/// The subject of a regional CA; `label` is 16 hex digits.
pub(super) fn regional(label: &str) -> DistinguishedName {
    short(&format!("{label}.{REGION}.{SUFFIX}"))
}

/// The subject of a zonal CA; `label` is 16 hex digits.
pub(super) fn zonal(label: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(
        DnType::CommonName,
        text(&format!("{label}.zonal.{REGION}.{SUFFIX}")),
    );
    name.push(DnType::OrganizationalUnitName, text(UNIT));
    name.push(DnType::OrganizationName, text(ORGANIZATION));
    name.push(DnType::CountryName, country());
    name.push(DnType::StateOrProvinceName, text(ZONAL_STATE));
    name.push(DnType::LocalityName, text(LOCALITY));
    name
}

/// The subject of an instance's CA.
pub(super) fn instance(instance_id: &str) -> DistinguishedName {
    long(&format!("{instance_id}.{REGION}.{SUFFIX}"))
}

/// The subject of a leaf, with the common name that verifiers compare with the module id.
pub(super) fn leaf(module_id: &str) -> DistinguishedName {
    long(&openkey_attestation::leaf_common_name(module_id, REGION))
}

fn short(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CountryName, country());
    name.push(DnType::OrganizationName, text(ORGANIZATION));
    name.push(DnType::OrganizationalUnitName, text(UNIT));
    name.push(DnType::CommonName, text(common_name));
    name
}

fn long(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CountryName, country());
    name.push(DnType::StateOrProvinceName, text(STATE));
    name.push(DnType::LocalityName, text(LOCALITY));
    name.push(DnType::OrganizationName, text(ORGANIZATION));
    name.push(DnType::OrganizationalUnitName, text(UNIT));
    name.push(DnType::CommonName, text(common_name));
    name
}
