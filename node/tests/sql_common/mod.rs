//! What the tests of databases share.
#![allow(dead_code, unreachable_pub)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use openkey_capability::ability::Ability;
use openkey_capability::attenuation::Caveats;
use openkey_capability::resource::{Resource, SpaceResource};
use openkey_node::sql::{
    Access, DatabaseId, Databases, Request, Response, Sizes, SqlError, SqlLimits, SqlWorkers,
    WorkerProgram,
};
use serde_json::{Value, json};

pub fn resource(path: &str) -> SpaceResource {
    match Resource::parse(&format!("tinycloud:a:b:c/sql/{path}")).unwrap() {
        Resource::Space(resource) => resource,
        other => panic!("{other:?}"),
    }
}

/// Processes that a process has started.
pub fn children(pid: u32) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").unwrap();
    let all = all.filter_map(|it| it.unwrap().file_name().to_str()?.parse().ok());
    let of = |child: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        // behind the name, which may hold anything: state and parent
        let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let mut rest = rest.split_whitespace();
        rest.next() != Some("Z") && rest.next() == Some(&pid.to_string())
    };
    all.filter(of).collect()
}

/// What a process has open.
pub fn files(pid: u32) -> Vec<PathBuf> {
    let Ok(files) = std::fs::read_dir(format!("/proc/{pid}/fd")) else {
        return Vec::new();
    };
    let files = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    files.collect()
}

/// The access that these abilities give, each with its caveats.
pub fn granted(
    path: &str,
    abilities: &[(&str, Value)],
    own: Option<&Value>,
) -> Result<Access, SqlError> {
    let abilities: Vec<(Ability, Caveats)> = abilities
        .iter()
        .map(|(name, caveats)| {
            let ability = Ability::parse(&format!("tinycloud.sql/{name}")).unwrap();
            (ability, serde_json::from_value(caveats.clone()).unwrap())
        })
        .collect();
    let pairs = abilities
        .iter()
        .map(|(ability, caveats)| (ability, caveats));
    Access::new(&resource(path), pairs, own).map(|access| access.may_create(true))
}

/// The access to `main` that these abilities give, separated by spaces.
pub fn access(abilities: &str) -> Access {
    let all = abilities.split_whitespace();
    let all: Vec<_> = all.map(|name| (name, json!([{}]))).collect();
    granted("main", &all, None).unwrap()
}

pub fn open(dir: &Path) -> SqlWorkers {
    open_with(dir, SqlLimits::default())
}

pub fn open_with(dir: &Path, limits: SqlLimits) -> SqlWorkers {
    let program = WorkerProgram::new(env!("CARGO_BIN_EXE_openkey-node"));
    SqlWorkers::open(dir, limits, program).unwrap()
}

/// Every database of a directory is whole, as SQLite sees it.
pub fn is_whole(dir: &Path) -> bool {
    let mut paths = std::fs::read_dir(dir).unwrap().map(|it| it.unwrap().path());
    paths.all(|path| {
        if path.extension().is_none_or(|it| it != "sqlite3") {
            return true;
        }
        let connection = rusqlite::Connection::open(path).unwrap();
        let found = connection.query_row("PRAGMA integrity_check(1)", [], |row| {
            row.get::<_, String>(0)
        });
        found.unwrap() == "ok"
    })
}

pub async fn run(
    databases: &SqlWorkers,
    access: &Access,
    request: Value,
) -> Result<Value, SqlError> {
    let request = Request::parse(request.to_string().as_bytes())?;
    match databases
        .run(&access.database(), access, request)
        .await?
        .response
    {
        Response::Json(json) => Ok(serde_json::from_slice(&json).unwrap()),
        Response::Export(export) => Ok(json!({"export": export.bytes})),
        other => panic!("{other:?}"),
    }
}

pub async fn query(databases: &SqlWorkers, access: &Access, sql: &str) -> Result<Value, SqlError> {
    run(databases, access, json!({"action": "query", "sql": sql})).await
}

pub async fn execute(
    databases: &SqlWorkers,
    access: &Access,
    sql: &str,
) -> Result<Value, SqlError> {
    run(databases, access, json!({"action": "execute", "sql": sql})).await
}

/// How large the database was before a statement and is after it, and what keeps others from
/// writing it.
pub async fn sizes(databases: &SqlWorkers, access: &Access, sql: &str) -> Sizes {
    let request = json!({"action": "execute", "sql": sql}).to_string();
    let request = Request::parse(request.as_bytes()).unwrap();
    let done = databases.run(&access.database(), access, request).await;
    done.unwrap().sizes.unwrap()
}

/// The first value of the first row.
pub async fn value(databases: &SqlWorkers, access: &Access, sql: &str) -> Value {
    query(databases, access, sql).await.unwrap()["rows"][0][0].clone()
}

pub fn id(path: &str) -> DatabaseId {
    DatabaseId::new(&resource(path)).unwrap()
}

/// Status and text of an error.
pub fn told<T: std::fmt::Debug>(result: Result<T, SqlError>) -> (u16, String) {
    let error = result.unwrap_err();
    (error.status(), error.to_string())
}

pub const SCHEMA: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b UNIQUE)";

/// A database with that table and two rows, and who may do everything.
pub async fn with_table() -> (tempfile::TempDir, SqlWorkers, Access) {
    let dir = tempfile::tempdir().unwrap();
    let databases = open(dir.path());
    let all = access("*");
    execute(&databases, &all, SCHEMA).await.unwrap();
    execute(
        &databases,
        &all,
        "INSERT INTO t VALUES (1, 'one', 1), (2, 'two', 2)",
    )
    .await
    .unwrap();
    (dir, databases, all)
}

/// Longest time of a request in these tests.
pub const TIME: Duration = Duration::from_millis(500);
/// What takes longer hangs: far above what a busy machine needs.
pub const BOUND: Duration = Duration::from_secs(60);

/// A database to attack, and who may do everything in it.
pub async fn target() -> (tempfile::TempDir, SqlWorkers, Access) {
    let dir = tempfile::tempdir().unwrap();
    let limits = SqlLimits {
        time: TIME,
        heap_bytes: 256 << 20,
        ..SqlLimits::default()
    };
    let databases = open_with(dir.path(), limits);
    let all = access("*");
    for sql in ["CREATE TABLE t (a)", "INSERT INTO t VALUES (1), (2)"] {
        execute(&databases, &all, sql).await.unwrap();
    }
    (dir, databases, all)
}

/// The database is as it was.
pub async fn works(databases: &SqlWorkers, all: &Access) {
    assert_eq!(value(databases, all, "SELECT count(*) FROM t").await, 2);
    execute(databases, all, "UPDATE t SET a = a").await.unwrap();
}
