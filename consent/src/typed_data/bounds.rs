//! How much a prompt can list: every field of a message gets a line, and a short document must not make
//! a long prompt. Counted before anything else is done with the message.

use super::{Struct, Type, TypedDataError, Value};

/// Most fields of a message, items of lists each counted: more than a person compares.
pub(super) const MAX_FIELDS: usize = 512;
/// Bytes of all fields' names that any document may have. Beyond them the names may be twice as long as the
/// document: lists of structs in structs repeat the names around each item.
pub(super) const MAX_NAMES: usize = 16 * 1024;

/// Refuses a message whose fields are too many or too long to list, in a document of so many bytes.
pub(super) fn check(message: &Struct<'_>, document: usize) -> Result<(), TypedDataError> {
    let mut room = Room {
        fields: MAX_FIELDS,
        names: document.saturating_mul(2).saturating_add(MAX_NAMES),
    };
    room.structure(0, message)
}

/// What is left.
struct Room {
    fields: usize,
    names: usize,
}

impl Room {
    /// `path` is the length of the path to the struct.
    fn structure(&mut self, path: usize, value: &Struct<'_>) -> Result<(), TypedDataError> {
        for (member, value) in value.members() {
            let path = path.saturating_add(member.name.len()).saturating_add(1);
            self.value(path, &member.kind, value)?;
        }
        Ok(())
    }

    fn value(&mut self, path: usize, kind: &Type, value: &Value<'_>) -> Result<(), TypedDataError> {
        match (value, kind) {
            (Value::Struct(value), _) => self.structure(path, value),
            (Value::Array(values), Type::Array(item, _)) if !values.is_empty() => {
                let brackets = "[]".len() + values.len().to_string().len();
                let path = path.saturating_add(brackets);
                values
                    .iter()
                    .try_for_each(|value| self.value(path, item, value))
            }
            _ => self.field(path, kind),
        }
    }

    fn field(&mut self, path: usize, kind: &Type) -> Result<(), TypedDataError> {
        self.fields = (self.fields.checked_sub(1)).ok_or(TypedDataError::TooManyFields)?;
        let name = path.saturating_add(kind.to_string().len());
        self.names = (self.names.checked_sub(name)).ok_or(TypedDataError::LongFields)?;
        Ok(())
    }
}
