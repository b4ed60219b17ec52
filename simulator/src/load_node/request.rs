//! One request of a client.

use openkey_capability::cid::Cid;

use super::acks::Ack;
use super::client::{Answer, Client};
use super::{Kind, LoadNodeError, LoadNodeOptions, What};

/// Bytes of a value.
const VALUE: usize = 1024;

pub(super) fn value(number: usize, n: usize) -> String {
    format!("{number}/{n}/")
        .chars()
        .cycle()
        .take(VALUE)
        .collect()
}

pub(super) fn sql(client: &Client, statement: &str, ability: &str) -> Answer {
    let (action, ability) = match ability {
        "read" => ("query", "tinycloud.sql/read"),
        _ => ("execute", "tinycloud.sql/write"),
    };
    let body = serde_json::json!({ "action": action, "sql": statement }).to_string();
    client.invoke(&client.resource("sql/load"), ability, &body)
}

/// One request: its status, its kind, and what is acknowledged by it.
pub(super) fn once(
    options: &LoadNodeOptions,
    number: usize,
    client: &Client,
    (run, n): (u32, usize),
    revocable: &mut Option<Cid>,
) -> Result<(u16, Kind, Option<Ack>), LoadNodeError> {
    let key = n % options.keys.max(1);
    match options.what {
        What::Get => {
            let resource = client.resource(&format!("kv/load/{key}"));
            let (status, _) = client.invoke(&resource, "tinycloud.kv/get", "")?;
            Ok((status, Kind::Get, None))
        }
        What::Put => {
            let resource = client.resource(&format!("kv/load/{key}"));
            let (status, _) = client.invoke(&resource, "tinycloud.kv/put", &value(number, n))?;
            Ok((status, Kind::Put, None))
        }
        What::Delegate => {
            let (status, _, _) = client.delegate(&format!("kv/load/{n}"))?;
            Ok((status, Kind::Delegate, None))
        }
        What::Select => {
            let (status, _) = sql(
                client,
                &format!("SELECT n, text FROM t WHERE n > {key} LIMIT 10"),
                "read",
            )?;
            Ok((status, Kind::Select, None))
        }
        What::Insert => {
            let id = format!("{run:08x}-{n}");
            let (status, _) = sql(
                client,
                &format!("INSERT INTO log VALUES ('{id}', 'x')"),
                "write",
            )?;
            Ok((status, Kind::Insert, None))
        }
        What::Mixed => mixed(number, client, (run, n), revocable),
    }
}

fn mixed(
    number: usize,
    client: &Client,
    (run, n): (u32, usize),
    revocable: &mut Option<Cid>,
) -> Result<(u16, Kind, Option<Ack>), LoadNodeError> {
    let name = format!("{run:08x}-{n}");
    let revoked = if n % 4 == 3 { revocable.take() } else { None };
    Ok(match (n % 4, revoked) {
        (1, _) => {
            let text = value(number, n);
            let (status, _) = client.invoke(
                &client.resource(&format!("kv/{name}")),
                "tinycloud.kv/put",
                &text,
            )?;
            (
                status,
                Kind::Put,
                Some(Ack::Value {
                    client: number,
                    key: name,
                    value: text,
                }),
            )
        }
        (2, _) => {
            let (status, _, cid) = client.delegate(&format!("kv/{name}"))?;
            if status == 200 {
                *revocable = Some(cid);
            }
            (
                status,
                Kind::Delegate,
                Some(Ack::Delegation {
                    client: number,
                    cid: cid.to_string(),
                }),
            )
        }
        (3, Some(cid)) => {
            let (status, _) = client.revoke(&cid)?;
            (
                status,
                Kind::Revoke,
                Some(Ack::Revocation {
                    client: number,
                    cid: cid.to_string(),
                }),
            )
        }
        _ => {
            let (status, _) = sql(
                client,
                &format!("INSERT INTO log VALUES ('{name}', 'x')"),
                "write",
            )?;
            (
                status,
                Kind::Insert,
                Some(Ack::Row {
                    client: number,
                    id: name,
                }),
            )
        }
    })
}
