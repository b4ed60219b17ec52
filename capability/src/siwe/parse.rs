//! The grammar of ERC-4361, one line after the other.

use core::num::NonZeroU64;

use super::{
    Field, Fields, MAX_LINE, MAX_MESSAGE, MAX_NONCE, MAX_RESOURCES, MIN_NONCE, Message, SiweError,
    Timestamp, message::PHRASE,
};
use crate::{
    address::{Capitals, parse_address},
    uri,
};

/// Reads a text; the caller compares what it prints to.
pub(super) fn parse(text: &str) -> Result<Message, SiweError> {
    let lines = lines(text)?;
    let at = |index: usize| lines.get(index).copied();

    let (scheme, domain) = header(at(0).ok_or(SiweError::Header)?)?;
    let address =
        parse_address(at(1).unwrap_or_default(), Capitals::Checked).map_err(SiweError::Address)?;
    require_blank(at(2), 3)?;
    // Without a statement two empty lines follow the address, with one an empty line on each side.
    let (statement, first_field) = if at(3) == Some("") && at(4) != Some("") {
        (None, 4)
    } else {
        require_blank(at(4), 5)?;
        (Some(self::statement(at(3).unwrap_or_default())?), 5)
    };

    let mut values = Values::read(&lines, first_field)?;
    let uri = values.required(Field::Uri)?;
    uri::parse_uri(uri).map_err(SiweError::Uri)?;
    if values.required(Field::Version)? != "1" {
        return Err(SiweError::Version);
    }
    let chain_id = chain_id(values.required(Field::ChainId)?)?;
    let nonce = values.required(Field::Nonce)?;
    if !is_nonce(nonce) {
        return Err(SiweError::Nonce);
    }
    let issued_at = time(Field::IssuedAt, values.required(Field::IssuedAt)?)?;
    let optional_time = |values: &Values<'_>, field| {
        let value = values.optional(field);
        value.map(|value| time(field, value)).transpose()
    };
    let expiration_time = optional_time(&values, Field::ExpirationTime)?;
    let not_before = optional_time(&values, Field::NotBefore)?;
    let request_id = values.optional(Field::RequestId);
    if !request_id.is_none_or(uri::is_pchars) {
        return Err(SiweError::RequestId);
    }
    let fields = Fields {
        scheme: scheme.map(str::to_owned),
        domain: domain.to_owned(),
        address,
        statement: statement.map(str::to_owned),
        uri: uri.to_owned(),
        chain_id,
        nonce: nonce.to_owned(),
        issued_at: issued_at.to_string(),
        expiration_time: expiration_time.as_ref().map(Timestamp::to_string),
        not_before: not_before.as_ref().map(Timestamp::to_string),
        request_id: request_id.map(str::to_owned),
        resources: values.resources.take(),
    };
    Ok(Message {
        fields,
        issued_at,
        expiration_time,
        not_before,
    })
}

/// Splits a text into lines under the rules that hold for all of them.
fn lines(text: &str) -> Result<Vec<&str>, SiweError> {
    if text.len() > MAX_MESSAGE {
        return Err(SiweError::TooLong);
    }
    if text.ends_with('\n') {
        return Err(SiweError::TrailingLineFeed);
    }
    let lines: Vec<&str> = text.split('\n').collect();
    for (text, line) in lines.iter().zip(1..) {
        if text.len() > MAX_LINE {
            return Err(SiweError::LineTooLong { line });
        }
        if text.contains('\r') {
            return Err(SiweError::CarriageReturn { line });
        }
        if !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(SiweError::Character { line });
        }
    }
    Ok(lines)
}

fn require_blank(text: Option<&str>, line: usize) -> Result<(), SiweError> {
    if text == Some("") {
        Ok(())
    } else {
        Err(SiweError::BlankLine { line })
    }
}

/// `[ scheme "://" ] domain phrase`
fn header(line: &str) -> Result<(Option<&str>, &str), SiweError> {
    let origin = line.strip_suffix(PHRASE).ok_or(SiweError::Header)?;
    let (scheme, domain) = match origin.split_once("://") {
        Some((scheme, domain)) => (Some(scheme), domain),
        None => (None, origin),
    };
    if !scheme.is_none_or(uri::is_scheme) {
        return Err(SiweError::Scheme);
    }
    let authority = uri::parse_authority(domain).ok_or(SiweError::Domain)?;
    if authority.userinfo.is_some() {
        return Err(SiweError::DomainUserinfo);
    }
    Ok((scheme, domain))
}

/// `*( reserved / unreserved / " " )`, and nothing that reads like another line.
fn statement(line: &str) -> Result<&str, SiweError> {
    let allowed = |byte| {
        byte == b' '
            || uri::is_unreserved(byte)
            || uri::is_sub_delim(byte)
            || uri::is_gen_delim(byte)
    };
    if !line.bytes().all(allowed) {
        return Err(SiweError::Statement);
    }
    let folded = line.trim_start().to_ascii_lowercase();
    let poses = Field::ALL
        .iter()
        .any(|field| folded.starts_with(field.label().trim_end().to_ascii_lowercase().as_str()))
        || folded.contains(PHRASE.trim().to_ascii_lowercase().as_str());
    if poses {
        return Err(SiweError::DecoyStatement);
    }
    Ok(line)
}

/// The largest number that a double holds exactly with all below it: JavaScript reads others as another one.
const MAX_CHAIN_ID: u64 = (1 << 53) - 1;

/// [`MIN_NONCE`] to [`MAX_NONCE`] letters and digits.
fn is_nonce(text: &str) -> bool {
    (MIN_NONCE..=MAX_NONCE).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// A number from 1 to [`MAX_CHAIN_ID`] in its one spelling.
fn chain_id(text: &str) -> Result<NonZeroU64, SiweError> {
    // A sign or a leading zero is another text for the same number.
    if !text.starts_with(|first: char| matches!(first, '1'..='9')) {
        return Err(SiweError::ChainId);
    }
    let number: NonZeroU64 = text.parse().map_err(|_| SiweError::ChainId)?;
    if number.get() > MAX_CHAIN_ID {
        return Err(SiweError::ChainId);
    }
    Ok(number)
}

fn time(field: Field, text: &str) -> Result<Timestamp, SiweError> {
    Timestamp::parse(text).ok_or_else(|| {
        if Timestamp::parse(&text.to_ascii_uppercase()).is_some() {
            SiweError::TimeCase(field)
        } else {
            SiweError::Time(field)
        }
    })
}

/// The labelled lines.
struct Values<'a> {
    found: Vec<(Field, &'a str)>,
    resources: Option<Vec<String>>,
}

impl<'a> Values<'a> {
    /// Reads the lines from `first` on: each field at most once and in its place.
    fn read(lines: &[&'a str], first: usize) -> Result<Self, SiweError> {
        let mut values = Self {
            found: Vec::new(),
            resources: None,
        };
        for (text, line) in lines.iter().copied().zip(1..).skip(first) {
            let Some((field, value)) = split(text) else {
                values.push_resource(text, line)?;
                continue;
            };
            if values.found.iter().any(|(seen, _)| *seen == field) {
                return Err(SiweError::Duplicate(field));
            }
            if values.found.last().is_some_and(|(last, _)| *last > field) {
                return Err(SiweError::Order(field));
            }
            if field == Field::Resources {
                values.resources = Some(Vec::new());
            }
            values.found.push((field, value));
        }
        Ok(values)
    }

    fn push_resource(&mut self, text: &str, line: usize) -> Result<(), SiweError> {
        let resource = text.strip_prefix("- ");
        let (Some(resources), Some(resource)) = (&mut self.resources, resource) else {
            return Err(SiweError::UnknownLine { line });
        };
        uri::parse_uri(resource).map_err(|error| SiweError::Resource { line, error })?;
        if resources.len() == MAX_RESOURCES {
            return Err(SiweError::TooManyResources);
        }
        resources.push(resource.to_owned());
        Ok(())
    }

    fn optional(&self, field: Field) -> Option<&'a str> {
        let mut found = self.found.iter();
        found.find_map(|(seen, value)| (*seen == field).then_some(*value))
    }

    fn required(&self, field: Field) -> Result<&'a str, SiweError> {
        self.optional(field).ok_or(SiweError::Missing(field))
    }
}

/// Which field a line is, and its value.
fn split(line: &str) -> Option<(Field, &str)> {
    Field::ALL.iter().find_map(|field| {
        let value = line.strip_prefix(field.label())?;
        (*field != Field::Resources || value.is_empty()).then_some((*field, value))
    })
}
