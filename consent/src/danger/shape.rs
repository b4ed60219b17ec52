//! Looking up members by name and type, every one of each meaning, and keeping account of which a
//! person is told about.

use core::cell::RefCell;
use std::collections::BTreeSet;

use openkey_capability::address::{Capitals, eip55, parse_address};
use openkey_protocol::message::Line;

use super::{
    Context, place,
    spoken::{COUNTERS, end, folded, said, token_text},
};
use crate::{
    typed_data::{Struct, Type, Value},
    word::Word,
    words::{Size, amount, line, unix_seconds},
};

/// Most values of one list that are repeated in the rows above the fields.
const MAX_LISTED: usize = 8;
/// A member of a struct.
struct Item<'v, 's> {
    /// Its name in lower case without underscores, since authors spell one name in several ways.
    folded: String,
    name: &'v str,
    kind: &'v Type,
    value: &'v Value<'s>,
}

impl Item<'_, '_> {
    /// True if it has one of these names, or the plural of one (`owners`, `addresses`, `expiries`).
    fn is_called(&self, names: &[&str]) -> bool {
        let ends = |name: &str, end: &str| self.folded.strip_suffix(end) == Some(name);
        names.iter().any(|name| {
            let is_of_y = name.strip_suffix('y').is_some_and(|it| ends(it, "ies"));
            is_of_y || ["", "s", "es"].iter().any(|end| ends(name, end))
        })
    }

    /// True if it tells one signature from another and says nothing else, which an address always does.
    fn only_counts(&self) -> bool {
        COUNTERS.contains(&self.folded.as_str()) && !matches!(self.kind, Type::Address)
    }
}

/// A struct, looked at as a whole. Members of one meaning are shown together: a program may take any
/// of them.
pub(super) struct Shape<'v, 's> {
    /// Where the struct is.
    origin: *const (),
    members: Vec<Item<'v, 's>>,
    /// Places of the members that a row shows.
    shown: RefCell<BTreeSet<usize>>,
    /// Names of members that share a meaning.
    shared: RefCell<Vec<String>>,
    /// Where values are that rows show of structs inside.
    inner: RefCell<Vec<*const ()>>,
    /// Where structs inside are whose every member is told of as part of this one.
    absorbed: RefCell<Vec<*const ()>>,
}

impl<'v, 's> Shape<'v, 's> {
    pub(super) fn of(value: &'v Struct<'s>) -> Self {
        let members = value
            .members()
            .map(|(member, value)| Item {
                folded: folded(&member.name),
                name: &member.name,
                kind: &member.kind,
                value,
            })
            .collect();
        Self {
            origin: place(value),
            members,
            shown: RefCell::default(),
            shared: RefCell::default(),
            inner: RefCell::default(),
            absorbed: RefCell::default(),
        }
    }

    /// The struct itself, or every item of a list of structs.
    fn each(value: &'v Value<'s>) -> Vec<Self> {
        match value {
            Value::Struct(value) => vec![Self::of(value)],
            Value::Array(values) => values.iter().flat_map(Self::each).collect(),
            _ => Vec::new(),
        }
    }

    /// True if every member has one of these names: nothing else is agreed to beside them.
    pub(super) fn has_only(&self, names: &[&str]) -> bool {
        self.members
            .iter()
            .all(|item| names.contains(&item.folded.as_str()))
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// The types of all members.
    pub(super) fn kinds(&self) -> impl Iterator<Item = &'v Type> {
        self.members.iter().map(|item| item.kind)
    }

    pub(super) fn has(&self, names: &[&str]) -> bool {
        self.members.iter().any(|item| item.is_called(names))
    }

    /// Every value under these names that `pick` takes, single or in a list.
    pub(super) fn all<T>(
        &self,
        names: &[&str],
        pick: impl Fn(&'v Type, &'v Value<'s>) -> Option<T>,
    ) -> Vec<T> {
        self.members
            .iter()
            .filter(|item| item.is_called(names))
            .flat_map(|item| single_values(item.kind, item.value))
            .filter_map(|(kind, value)| pick(kind, value))
            .collect()
    }

    pub(super) fn addresses(&self, names: &[&str]) -> Vec<&'v [u8; 20]> {
        self.all(names, |_, value| match value {
            Value::Address(address) => Some(address),
            _ => None,
        })
    }

    pub(super) fn bools(&self, names: &[&str]) -> Vec<bool> {
        self.all(names, |_, value| match value {
            Value::Bool(value) => Some(*value),
            _ => None,
        })
    }

    /// Unsigned numbers and the bits of their types.
    pub(super) fn uints(&self, names: &[&str]) -> Vec<(&'v Word, u32)> {
        self.all(names, |kind, value| match (kind, value) {
            (Type::Uint(bits), Value::Integer { magnitude, .. }) => Some((magnitude, *bits)),
            _ => None,
        })
    }

    pub(super) fn texts(&self, names: &[&str]) -> Vec<&'v str> {
        self.all(names, |_, value| match value {
            Value::String(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// Bytes of any length.
    pub(super) fn bytes(&self, names: &[&str]) -> Vec<&'v [u8]> {
        self.all(names, |kind, value| match (kind, value) {
            (Type::Bytes, Value::Bytes(bytes)) => Some(bytes.as_slice()),
            _ => None,
        })
    }

    /// Structs under these names, single or in lists; `None` if no member has such a type.
    pub(super) fn structs(&self, names: &[&str]) -> Option<Vec<Self>> {
        let mut found = None;
        for item in self.members.iter().filter(|item| item.is_called(names)) {
            if item.kind.structure().is_some() {
                found
                    .get_or_insert_with(Vec::new)
                    .extend(Self::each(item.value));
            }
        }
        found
    }

    /// True if an amount under these names is as good as everything.
    pub(super) fn is_unlimited(&self, names: &[&str]) -> bool {
        let amounts = self.uints(names);
        amounts
            .iter()
            .any(|(value, bits)| amount(value, *bits, "").1 == Size::Unlimited)
    }

    /// A row for every member under these names, whatever its type. If there are several, each row
    /// says which member it is, and [`Self::shared`] names them: they share a meaning.
    pub(super) fn rows(
        &self,
        label: &str,
        names: &[&str],
        say: impl Fn(&Type, &Value<'_>) -> String,
    ) -> Vec<Line> {
        let found = self.items(names);
        if found.len() > 1 {
            let names = found.iter().map(|(_, item)| item.name.to_owned());
            self.shared.borrow_mut().extend(names);
        }
        self.list(label, names, say)
    }

    fn items(&self, names: &[&str]) -> Vec<(usize, &Item<'v, 's>)> {
        self.members
            .iter()
            .enumerate()
            .filter(|(_, item)| item.is_called(names))
            .collect()
    }

    /// Takes note that the members under these names are told about.
    pub(super) fn tell(&self, names: &[&str]) {
        self.list("", names, said);
    }

    /// Like [`Self::rows`], for members that may be several because each has a meaning of its own.
    pub(super) fn list(
        &self,
        label: &str,
        names: &[&str],
        say: impl Fn(&Type, &Value<'_>) -> String,
    ) -> Vec<Line> {
        let found = self.items(names);
        let mut lines = Vec::new();
        for (at, item) in &found {
            self.shown.borrow_mut().insert(*at);
            let values = single_values(item.kind, item.value);
            let which = if found.len() > 1 {
                format!(" (the member {})", item.name)
            } else {
                String::new()
            };
            for (kind, value) in values.iter().take(MAX_LISTED) {
                lines.push(line(label, format!("{}{which}", say(kind, value))));
            }
            match values.len() {
                0 => lines.push(line(label, format!("an empty list{which}"))),
                all if all > MAX_LISTED => lines.push(line(
                    label,
                    format!("and more: {all} in all{which}, each of them below"),
                )),
                _ => {}
            }
        }
        lines
    }

    /// Rows of addresses.
    pub(super) fn address_rows(&self, label: &str, names: &[&str]) -> Vec<Line> {
        self.rows(label, names, said)
    }

    /// Rows of amounts, counted in `unit`.
    pub(super) fn amount_rows(&self, label: &str, names: &[&str], unit: &str) -> Vec<Line> {
        self.rows(label, names, |kind, value| match (kind, value) {
            (Type::Uint(bits), Value::Integer { magnitude, .. }) => {
                amount(magnitude, *bits, unit).0
            }
            _ => said(kind, value),
        })
    }

    /// Rows of tokens. Without a member of these names, the contract that the request is for stands
    /// for the token, as in ERC-2612.
    pub(super) fn token_rows(&self, names: &[&str], context: Context<'_>) -> Vec<Line> {
        let rows = self.rows("Token contract", names, |kind, value| match value {
            Value::Address(token) => token_text(Some(token)),
            _ => said(kind, value),
        });
        if !rows.is_empty() {
            return rows;
        }
        let token = context.contract.map_or_else(
            || token_text(None),
            |it| format!("{} (the contract that the request is for)", eip55(it)),
        );
        vec![line("Token contract", token)]
    }

    /// Rows of the last moment, whatever it is called.
    pub(super) fn until(&self, label: &str, names: &[&str], context: Context<'_>) -> Vec<Line> {
        let rows = self.rows(label, names, |kind, value| end(kind, value, context));
        if rows.is_empty() {
            // It may be packed into another number, or there may be none.
            return vec![line(label, "Not said")];
        }
        rows
    }

    /// Rows of the first moment; none if it is not said.
    pub(super) fn begins(&self, names: &[&str], context: Context<'_>) -> Vec<Line> {
        self.rows("From", names, |kind, value| match (kind, value) {
            (Type::Uint(_), Value::Integer { magnitude, .. }) => {
                unix_seconds(magnitude, context.now_ms)
            }
            _ => said(kind, value),
        })
    }

    /// Rows of whose account acts, with a note if it is not that of the key.
    pub(super) fn actor_rows(&self, names: &[&str], context: Context<'_>) -> Vec<Line> {
        self.rows("Acts for", names, |kind, value| {
            match address(value).filter(|_| matches!(kind, Type::Address | Type::String)) {
                Some(actor) if actor == *context.signer => {
                    format!("{}, the address of your key", eip55(&actor))
                }
                Some(actor) => {
                    format!("{}, which is NOT the address of your key", eip55(&actor))
                }
                None => said(kind, value),
            }
        })
    }

    /// True if a member under these names holds anything but the address of the key.
    pub(super) fn is_of_another(&self, names: &[&str], context: Context<'_>) -> bool {
        self.all(names, |_, value| Some(address(value)))
            .iter()
            .any(|it| *it != Some(*context.signer))
    }

    /// True if a member under these names holds no address, such as a text with words.
    pub(super) fn is_of_nobody(&self, names: &[&str]) -> bool {
        let addresses = self.all(names, |_, value| Some(address(value)));
        addresses.contains(&None)
    }

    /// Members that no row shows, one row; those that only count are left out.
    pub(super) fn not_shown(&self) -> Option<Line> {
        let shown = self.shown.borrow();
        let rest: Vec<&str> = self
            .members
            .iter()
            .enumerate()
            .filter(|(at, item)| !shown.contains(at) && !item.only_counts())
            .map(|(_, item)| item.name)
            .collect();
        (!rest.is_empty()).then(|| {
            line(
                "Not explained",
                format!("{} (see the fields below)", rest.join(", ")),
            )
        })
    }

    /// The names of members that share a meaning, in the rows since this was last asked.
    pub(super) fn shared(&self) -> Option<String> {
        let shared = self.shared.take();
        (!shared.is_empty()).then(|| shared.join(", "))
    }

    /// Where the values are that a row shows.
    pub(super) fn shown_values(&self) -> Vec<*const ()> {
        let shown = self.shown.borrow();
        let own = shown
            .iter()
            .filter_map(|at| self.members.get(*at))
            .map(|item| place(item.value));
        own.chain(self.inner.take()).collect()
    }

    /// Takes note of what is told about a struct inside this one.
    pub(super) fn adopt(&self, inner: &Self) {
        self.inner.borrow_mut().extend(inner.shown_values());
        self.absorbed.borrow_mut().extend(inner.absorbed.take());
    }

    /// Takes note that a struct inside this one is told about as a whole, if it has no members but
    /// these: it needs no words of its own. With any other member, it is judged by itself as well.
    pub(super) fn absorb(&self, inner: &Self, names: &[&str]) {
        if inner.has_only(names) {
            self.absorbed.borrow_mut().push(inner.origin);
        }
        self.adopt(inner);
    }

    /// Where the structs inside are that are told about as part of this one.
    pub(super) fn absorbed(&self) -> Vec<*const ()> {
        self.absorbed.take()
    }
}

/// A value, or the values of a list however deep.
fn single_values<'v, 's>(kind: &'v Type, value: &'v Value<'s>) -> Vec<(&'v Type, &'v Value<'s>)> {
    match (kind, value) {
        (Type::Array(item, _), Value::Array(values)) => values
            .iter()
            .flat_map(|value| single_values(item, value))
            .collect(),
        _ => vec![(kind, value)],
    }
}

/// An address, or a text that is one.
fn address(value: &Value<'_>) -> Option<[u8; 20]> {
    match value {
        Value::Address(address) => Some(*address),
        Value::String(text) => parse_address(text, Capitals::CheckedOrLower).ok(),
        _ => None,
    }
}
