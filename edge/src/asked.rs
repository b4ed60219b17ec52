//! One request of a connection: whose it is, its turn, and when it was answered.

use std::{
    convert::Infallible,
    error::Error,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http_body_util::BodyExt as _;
use hyper::{
    Request, Response, StatusCode,
    body::{Body, Frame, Incoming, SizeHint},
    header::{CONNECTION, HeaderValue, RETRY_AFTER},
};
use ipnet::IpNet;
use tokio::time::timeout;

use crate::{
    client::{ClientKey, client_address},
    heads::Heads,
    listen::{Arriving, Observer},
    places::{Place, Seat},
};

/// What a connection or a request too many is told.
pub(crate) const FULL: &str =
    "Too many connections or requests of this address: let some of them end, then try again";
const CLOSE: HeaderValue = HeaderValue::from_static("close");
/// Bytes of a refused request's body that are read, so that its client reads the answer, and for how long.
const UNHEARD: usize = 1024 * 1024;
const UNHEARD_FOR: Duration = Duration::from_secs(5);

/// A request, as its connection knows it.
pub(crate) struct Asked {
    pub(crate) peer: IpAddr,
    pub(crate) place: Arc<Place>,
    pub(crate) told: Arc<dyn Observer>,
    /// How long it waits for its turn.
    pub(crate) wait: Duration,
    pub(crate) heads: Heads,
}

impl Asked {
    /// Answers it, in its turn.
    pub(crate) async fn answered<H, F, B>(
        self,
        proxy: Option<IpNet>,
        mut request: Request<Incoming>,
        handler: H,
    ) -> Result<Response<Answer<B>>, Infallible>
    where
        H: Fn(IpAddr, Request<Incoming>) -> F,
        F: Future<Output = Response<B>>,
        B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>>,
        B: From<&'static str>,
    {
        let head = self.heads.next().unwrap_or_default();
        let seat = self.place.seat();
        let rest = Rest::begin(&seat, self.heads.clone());
        request.extensions_mut().insert(head.facts);
        // a client that cannot be known has no share: the handler refuses it
        let client = client_address(self.peer, proxy.as_ref(), request.headers()).ok();
        let served = match client {
            Some(client) => {
                let served = self.place.serve(ClientKey::of(client));
                let turn = async {
                    let served = served?;
                    served.turn().await;
                    Some(served)
                };
                let Ok(Some(served)) = timeout(self.wait, turn).await else {
                    self.told.refused();
                    tokio::spawn(throw_away(request.into_body()));
                    return Ok(full().map(|body| Answer { body, _rest: rest }));
                };
                Some(served)
            }
            None => None,
        };
        let whole = request.body().is_end_stream().then(|| seat.work());
        if whole.is_some() {
            self.heads.arrived();
        } else {
            request.extensions_mut().insert(Arriving(seat, self.heads));
        }
        let mut response = handler(self.peer, request).await;
        // a large head, or what follows chunks: the connection is not used again
        if head.last || self.place.is_awaited() {
            response.headers_mut().insert(CONNECTION, CLOSE);
        }
        drop((whole, served));
        Ok(response.map(|body| Answer { body, _rest: rest }))
    }
}

/// What a request too many is told.
fn full<B: From<&'static str>>() -> Response<B> {
    let mut response = Response::new(FULL.into());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    headers.insert(CONNECTION, CLOSE);
    response
}

async fn throw_away(mut body: Incoming) {
    let reading = async {
        let mut bytes = 0;
        while bytes <= UNHEARD
            && let Some(Ok(frame)) = body.frame().await
        {
            bytes += frame.data_ref().map_or(0, hyper::body::Bytes::len);
        }
    };
    // who sends more, or more slowly, is cut off
    let _ = timeout(UNHEARD_FOR, reading).await;
}

/// When dropped, the connection rests.
struct Rest(Arc<Seat>, Heads);

impl Rest {
    fn begin(seat: &Arc<Seat>, heads: Heads) -> Self {
        seat.rest(false);
        heads.answering(true);
        Self(Arc::clone(seat), heads)
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        self.0.rest(true);
        self.1.answering(false);
    }
}

/// The body of an answer: the connection does not rest until it was sent.
pub(crate) struct Answer<B> {
    body: B,
    _rest: Rest,
}

impl<B: Body + Unpin> Body for Answer<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
