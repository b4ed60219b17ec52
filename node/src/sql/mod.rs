//! stub
#![allow(missing_docs, clippy::all)]
use openkey_capability::{ability::Ability, attenuation::Caveats, resource::SpaceResource};
use std::path::Path;
pub const MAX_REQUEST: usize = 1 << 20;
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct SqlError;
impl SqlError {
    pub fn status(&self) -> u16 {
        400
    }
}
#[derive(Clone, Copy)]
pub struct DatabaseId;
#[derive(Debug)]
pub enum Request {
    Query(u8, u8),
    Export,
    Other,
}
impl Request {
    pub fn parse(_: &[u8]) -> Result<Self, SqlError> {
        Err(SqlError)
    }
}
pub struct Access;
impl Access {
    pub fn new<'a>(
        _: &SpaceResource,
        _: impl IntoIterator<Item = (&'a Ability, &'a Caveats)>,
        _: Option<&serde_json::Value>,
    ) -> Result<Self, SqlError> {
        Err(SqlError)
    }
    pub fn may_create(self, _: bool) -> Self {
        self
    }
    pub fn max_bytes(self, _: u64) -> Self {
        self
    }
    pub fn database(&self) -> DatabaseId {
        DatabaseId
    }
    pub fn only_reads(&self) -> bool {
        true
    }
}
pub struct Export {
    pub file: std::fs::File,
    pub bytes: u64,
}
pub enum Response {
    Json(Vec<u8>),
    Export(Export),
}
#[async_trait::async_trait]
pub trait Databases: Send + Sync {
    async fn run(&self, d: &DatabaseId, a: &Access, r: Request) -> Result<Response, SqlError>;
    async fn size(&self, d: &DatabaseId) -> Result<u64, SqlError>;
}
#[derive(Default)]
pub struct SqlLimits;
pub struct LocalDatabases;
impl LocalDatabases {
    pub fn open(_: &Path, _: SqlLimits) -> Result<Self, SqlError> {
        Ok(Self)
    }
    pub fn check(&self, _: &dyn Fn(u64)) -> Result<(u64, Vec<String>), SqlError> {
        Ok((0, vec![]))
    }
    pub fn backup(&self, _: &Path) -> Result<u64, SqlError> {
        Ok(0)
    }
}
#[async_trait::async_trait]
impl Databases for LocalDatabases {
    async fn run(&self, _: &DatabaseId, _: &Access, _: Request) -> Result<Response, SqlError> {
        Err(SqlError)
    }
    async fn size(&self, _: &DatabaseId) -> Result<u64, SqlError> {
        Ok(0)
    }
}
