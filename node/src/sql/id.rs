//! Names of databases.

use core::fmt;

use openkey_capability::resource::SpaceResource;
use serde::{Deserialize, Serialize};

/// A database: the one that a path of the service `sql` of a space names.
///
/// It is the BLAKE3 hash of `<space>/sql/<path>`, to the byte: two paths are two databases, also if
/// they end alike. As hexadecimal digits it names files, and no path leads out of their directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DatabaseId([u8; 32]);

/// Why a resource names no database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseIdError {
    /// It is of another service.
    #[error("not a resource of the service sql")]
    Service,
    /// It is the service as a whole, or has the empty path.
    #[error("the resource names no database: write <space>/sql/<database>")]
    Path,
}

impl DatabaseId {
    /// The database that this names. Query and fragment do not matter.
    ///
    /// # Errors
    ///
    /// [`DatabaseIdError`].
    pub fn new(resource: &SpaceResource) -> Result<Self, DatabaseIdError> {
        if resource.service() != "sql" {
            return Err(DatabaseIdError::Service);
        }
        let path = resource.path().filter(|path| !path.is_empty());
        let path = path.ok_or(DatabaseIdError::Path)?;
        let name = format!("{}/sql/{path}", resource.space());
        Ok(Self(*blake3::hash(name.as_bytes()).as_bytes()))
    }
}

impl DatabaseId {
    /// That with these 64 hexadecimal digits, in lower case.
    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        let mut hash = [0; 32];
        hex::decode_to_slice(text, &mut hash).ok()?;
        // one name for each
        Some(Self(hash)).filter(|id| id.to_string() == text)
    }
}

/// As 64 hexadecimal digits.
impl fmt::Display for DatabaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use openkey_capability::resource::Resource;

    use super::*;

    fn id(tail: &str) -> Result<DatabaseId, DatabaseIdError> {
        match Resource::parse(&format!("tinycloud:a:b:c/{tail}")).unwrap() {
            Resource::Space(resource) => DatabaseId::new(&resource),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_a_path_of_sql_names_a_database() {
        assert_eq!(id("kv/main"), Err(DatabaseIdError::Service));
        assert_eq!(id("sql"), Err(DatabaseIdError::Path));
        assert_eq!(id("sql/"), Err(DatabaseIdError::Path));
    }

    #[test]
    fn b11_the_whole_path_names_it_and_nothing_else() {
        let all = [
            "a/main", "b/main", "main", "main/", "/main", "Main", "a%2Fmain",
        ];
        for (at, one) in all.iter().enumerate() {
            for (other_at, other) in all.iter().enumerate() {
                let (one, other) = (id(&format!("sql/{one}")), id(&format!("sql/{other}")));
                assert_eq!(one.unwrap() == other.unwrap(), at == other_at);
            }
        }
        assert_eq!(id("sql/main?x#f"), id("sql/main"));
        let name = id("sql/main").unwrap().to_string();
        assert!(name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
}
