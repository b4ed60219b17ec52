//! What the host itself says when it cannot carry a request.

use std::time::Duration;

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use hyper::{
    StatusCode,
    header::{CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER},
};
use schemars::JsonSchema;
use serde::Serialize;

/// A failure of the host, never of the enclave: those travel inside replies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    code: &'static str,
    message: &'static str,
    advice: &'static str,
    retry_after: Option<u64>,
    close: bool,
}

/// Its JSON.
#[derive(Serialize, JsonSchema)]
#[schemars(title = "Failure")]
pub(crate) struct FailureBody<'a> {
    /// Which rule refused the request, for programs.
    code: &'a str,
    /// What happened, in a sentence.
    message: &'a str,
    /// What to do, in a sentence.
    advice: &'a str,
    /// Names this request in the server's log.
    request_id: &'a str,
}

macro_rules! failures {
    ($($name:ident: $status:ident, $code:literal, $message:literal, $advice:literal;)*) => {
        impl Failure {
            $(pub(crate) const fn $name() -> Self {
                Self {
                    status: StatusCode::$status,
                    code: $code,
                    message: $message,
                    advice: $advice,
                    retry_after: None,
                    close: false,
                }
            })*
        }
    };
}

failures! {
    bad_target: BAD_REQUEST, "bad_target",
        "The request's path is not written in its one plain form.",
        "Use the paths of /openapi.json as they are: no escapes, dots, doubled slashes or query.";
    bad_header: BAD_REQUEST, "bad_header",
        "A header that must be there once is missing or repeated, or a length is not written plainly.",
        "Send exactly one Host, one Content-Type and one Content-Length without leading zeros.";
    unnamed_client: BAD_REQUEST, "unnamed_client",
        "The proxy in front of this server names its client in no way that can be read.",
        "Tell the operator: the last entry of X-Forwarded-For must be one IP address, without a port.";
    length_required: BAD_REQUEST, "length_required",
        "The request's body has no Content-Length.",
        "Send the body whole, with Content-Length and without Transfer-Encoding.";
    empty_body: BAD_REQUEST, "empty_body",
        "The request has no body.",
        "Send one CBOR request of the protocol described at /docs.";
    slow_body: BAD_REQUEST, "slow_body",
        "The request's body did not arrive whole and in time.",
        "Check the connection and try again.";
    wrong_host: FORBIDDEN, "wrong_host",
        "This server is not known under the name it was asked by.",
        "Open the page under its own address; operators can add names with --host.";
    wrong_origin: FORBIDDEN, "wrong_origin",
        "The request comes from another web page, or was made before anybody followed a link.",
        "Use the page of this server.";
    not_found: NOT_FOUND, "not_found",
        "There is nothing at this path.",
        "The paths are listed in /openapi.json.";
    unknown_enclave: NOT_FOUND, "unknown_enclave",
        "There is no enclave with this id.",
        "The ids are listed at /api/v1/enclaves.";
    unknown_class: NOT_FOUND, "unknown_class",
        "There is no such class of requests.",
        "Use evidence, sign-up or request.";
    method_not_allowed: METHOD_NOT_ALLOWED, "method_not_allowed",
        "This path is not asked like that.",
        "Use the method in /openapi.json.";
    body_too_large: PAYLOAD_TOO_LARGE, "body_too_large",
        "The request's body is too large.",
        "Send less: the enclave reads no request of this size.";
    wrong_content_type: UNSUPPORTED_MEDIA_TYPE, "wrong_content_type",
        "The request's body is not declared as plain CBOR.",
        "Send Content-Type: application/cbor and no Content-Encoding.";
    too_many: TOO_MANY_REQUESTS, "too_many",
        "Too many requests came from this address.",
        "Wait as long as Retry-After says, then try again.";
    busy: SERVICE_UNAVAILABLE, "busy",
        "Too many requests are being answered right now.",
        "Wait a moment and try again.";
    enclave_unreachable: SERVICE_UNAVAILABLE, "enclave_unreachable",
        "The enclave does not answer; it may be starting.",
        "Wait a moment and try again. If it lasts, tell the operator.";
    enclave_late: GATEWAY_TIMEOUT, "enclave_late",
        "The enclave's answer did not arrive in time; whether it acted is unknown.",
        "Look at the account's history before you repeat what you did.";
}

impl Failure {
    /// Says how long to wait, rounded up to whole seconds.
    pub(crate) fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
        self
    }

    /// Ends the connection: what follows on it cannot be told apart from this request's body.
    pub(crate) const fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    pub(crate) const fn code(&self) -> &'static str {
        self.code
    }

    pub(super) const fn message(&self) -> &'static str {
        self.message
    }

    pub(super) const fn advice(&self) -> &'static str {
        self.advice
    }

    /// The response to the request of this id.
    pub(crate) fn respond(&self, request_id: &str) -> Response {
        let body = serde_json::to_vec(&FailureBody {
            code: self.code,
            message: self.message,
            advice: self.advice,
            request_id,
        })
        .unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

impl IntoResponse for Failure {
    /// A response to be completed by [`Failure::respond`] where the request's id is known.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
