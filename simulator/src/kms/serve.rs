//! HTTP/1.1 over TLS.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::{Shared, api::Rule};

/// The longest request, in bytes: AWS takes documents of 256 KiB.
const MAX_BODY: usize = 512 * 1024;
/// How long a connection may last.
const PATIENCE: Duration = Duration::from_secs(60);

/// Takes connections for ever.
pub(super) async fn serve(listener: TcpListener, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (acceptor, shared) = (acceptor.clone(), Arc::clone(&shared));
        tokio::spawn(tokio::time::timeout(
            PATIENCE,
            connection(stream, acceptor, shared),
        ));
    }
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(respond(&shared, request).await) }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new());
    // Whoever cuts the connection has nothing to be told.
    let _ = server.serve_connection(TokioIo::new(stream), service).await;
}

async fn respond(shared: &Shared, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let answer = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => shared.answer(&parts, &body.to_bytes()),
        Err(_) => Err(Rule::Shape),
    };
    let (status, body) = match answer {
        Ok(body) => (200, body),
        Err(rule) => {
            let refused = rule.refused();
            let body = format!(
                r#"{{"__type":"{}","Message":"The stand-in refuses."}}"#,
                refused.exception
            );
            (refused.status, body.into_bytes())
        }
    };
    let response = Response::builder()
        .status(status)
        .header("content-type", "application/x-amz-json-1.1")
        .body(Full::new(Bytes::from(body)));
    response.unwrap_or_default()
}
