//! The instance metadata service of EC2, version 2 (a session token first).

use std::{fmt::Display, net::SocketAddr, time::Duration};

use axum::body::Body;
use http_body_util::{BodyExt as _, Limited};
use hyper::{Method, Request, StatusCode, client::conn::http1, header::HOST};
use hyper_util::rt::TokioIo;
use openkey_protocol::message::AwsCredentials;
use serde::Deserialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::{net::TcpStream, time::timeout};

/// For each of the three requests: the service is on the same machine.
const PATIENCE: Duration = Duration::from_secs(3);
/// Longest answer, in bytes: session tokens have one or two thousand.
const LONGEST: usize = 16 * 1024;
/// How long the session token holds, in seconds: it is used at once.
const SESSION_SECONDS: &str = "60";
/// Where roles and their credentials are.
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

/// What the service answers for a role.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    access_key_id: String,
    secret_access_key: String,
    token: String,
    expiration: String,
}

/// The instance role's credentials, and how long they hold.
pub(super) async fn credentials(service: SocketAddr) -> Result<(AwsCredentials, Duration), String> {
    let token = ask(
        service,
        Method::PUT,
        "/latest/api/token",
        ("x-aws-ec2-metadata-token-ttl-seconds", SESSION_SECONDS),
    )
    .await?;
    let session = ("x-aws-ec2-metadata-token", token.as_str());
    let roles = ask(service, Method::GET, ROLES, session).await?;
    let role = roles.lines().next().unwrap_or_default().trim();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b);
    if role.is_empty() || !role.bytes().all(plain) {
        return Err("the instance has no role".to_owned());
    }
    let answer = ask(service, Method::GET, &format!("{ROLES}{role}"), session).await?;
    let answer: Answer = serde_json::from_str(&answer)
        .map_err(|_| "the metadata service's credentials are none".to_owned())?;
    let expires = OffsetDateTime::parse(&answer.expiration, &Rfc3339).map_err(failed)?;
    let holds = expires - OffsetDateTime::now_utc();
    let credentials = AwsCredentials {
        access_key_id: answer.access_key_id,
        secret_access_key: answer.secret_access_key,
        session_token: Some(answer.token),
    };
    // Expired already: handed out this once, and asked for again the next time.
    Ok((credentials, Duration::try_from(holds).unwrap_or_default()))
}

fn failed(error: impl Display) -> String {
    format!("the metadata service does not answer: {error}")
}

async fn ask(
    service: SocketAddr,
    method: Method,
    path: &str,
    (name, value): (&str, &str),
) -> Result<String, String> {
    let exchange = async {
        let stream = TcpStream::connect(service).await.map_err(failed)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(failed)?;
        let connection = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, service.to_string())
            .header(name, value)
            .body(Body::empty())
            .map_err(failed)?;
        let response = sender.send_request(request).await.map_err(failed)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LONGEST);
        let body = body.collect().await.map_err(failed)?.to_bytes();
        connection.abort();
        if status != StatusCode::OK {
            return Err(failed(status));
        }
        String::from_utf8(body.to_vec()).map_err(failed)
    };
    timeout(PATIENCE, exchange).await.map_err(failed)?
}

#[cfg(test)]
mod tests {
    use axum::{
        Router,
        routing::{get, put},
    };

    use super::*;

    async fn service(answer: String) -> SocketAddr {
        let roles = get(|| async { "host-role\n" });
        let role = get(|headers: hyper::HeaderMap| async move {
            assert_eq!(headers["x-aws-ec2-metadata-token"], "session");
            answer
        });
        let router = Router::new()
            .route("/latest/api/token", put(|| async { "session" }))
            .route(ROLES, roles)
            .route(&format!("{ROLES}host-role"), role);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = hyper_util::service::TowerToHyperService::new(router.clone());
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        address
    }

    fn answer(expiration: &str) -> String {
        format!(
            r#"{{"Code":"Success","LastUpdated":"x","Type":"AWS-HMAC","AccessKeyId":"AKIA",
            "SecretAccessKey":"secret","Token":"token","Expiration":"{expiration}"}}"#
        )
    }

    #[tokio::test]
    async fn a_role_has_credentials_with_an_end() {
        let (credentials, holds) = credentials(service(answer("2126-01-01T00:00:00Z")).await)
            .await
            .unwrap();
        assert_eq!(credentials.access_key_id, "AKIA");
        assert_eq!(credentials.session_token.as_deref(), Some("token"));
        assert!(holds > Duration::from_secs(1 << 30));
    }

    #[tokio::test]
    async fn what_is_expired_wrong_or_endless_is_told_apart() {
        let past = credentials(service(answer("2006-01-01T00:00:00Z")).await).await;
        assert_eq!(past.unwrap().1, Duration::ZERO);
        for bad in ["{}".to_owned(), answer("tomorrow"), "x".repeat(LONGEST + 1)] {
            let refused = credentials(service(bad).await).await;
            assert!(refused.is_err());
        }
    }
}
