//! How often one client may ask, and fail.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use axum::http::StatusCode;
use openkey_edge::client::ClientKey;
use openkey_edge::rate::{ClientRate, Quota};

use crate::routes::Route;

/// Clients whose rates are kept apart; further ones share.
const CLIENTS: usize = 65_536;
/// Bytes of a token whose reading and checking costs as much as another failure.
const WORTH_ONE: usize = 8 * 1024;

/// How often one client may ask. `None`: any number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimits {
    /// Requests of any kind but the following.
    pub all: Option<Quota>,
    /// Requests that are refused for what they say or who sends them, large tokens counted several times.
    pub failures: Option<Quota>,
    /// Requests to public spaces, which need no token.
    pub public: Option<Quota>,
    /// Questions after the node's health.
    pub health: Option<Quota>,
}

impl Default for RateLimits {
    fn default() -> Self {
        let few = |count| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
        Self {
            all: Some(Quota::per_second(few(2000))),
            failures: Some(Quota::per_second(few(500))),
            public: Some(Quota::per_minute(few(60)).with_burst(few(10))),
            health: Some(Quota::per_second(few(20))),
        }
    }
}

impl RateLimits {
    /// None at all.
    pub const OFF: Self = Self {
        all: None,
        failures: None,
        public: None,
        health: None,
    };
}

/// What each client has asked lately.
pub(crate) struct Rates {
    all: Option<Rate>,
    failures: Option<Rate>,
    public: Option<Rate>,
    health: Option<Rate>,
}

struct Rate {
    quota: Quota,
    what: &'static str,
    rate: ClientRate,
}

/// Somebody asks too often.
pub(crate) struct TooOften {
    /// How long until the next is welcome.
    pub(crate) wait: Duration,
    /// What one address may do.
    pub(crate) told: String,
}

impl Rate {
    fn refused(&self, asked: Result<(), Duration>) -> Result<(), TooOften> {
        let (quota, what) = (self.quota, self.what);
        asked.map_err(|wait| TooOften {
            wait,
            told: format!("Rate limit exceeded: one address may send {quota} {what}"),
        })
    }
}

impl Rates {
    pub(crate) fn new(limits: RateLimits) -> Self {
        let rate = |quota: Option<Quota>, what| {
            quota.map(|quota| Rate {
                quota,
                what,
                rate: ClientRate::new(quota, CLIENTS),
            })
        };
        Self {
            all: rate(limits.all, "requests"),
            failures: rate(limits.failures, "requests that fail"),
            public: rate(limits.public, "requests to public spaces"),
            health: rate(limits.health, "questions after the node's health"),
        }
    }

    /// Whether a client may ask once more.
    pub(crate) fn check(&self, route: Route, client: IpAddr) -> Result<(), TooOften> {
        let key = ClientKey::of(client);
        let rate = match route {
            // few are held, and the others are told at once
            Route::Hooks => return Ok(()),
            Route::Health => &self.health,
            Route::Public => &self.public,
            _ => {
                if let Some(failures) = &self.failures {
                    failures.refused(failures.rate.look(&key))?;
                }
                &self.all
            }
        };
        match rate {
            Some(rate) => rate.refused(rate.rate.check(&key)),
            None => Ok(()),
        }
    }

    /// A client's request, with a token of so many bytes, was answered like this.
    pub(crate) fn answered(&self, route: Route, client: IpAddr, status: StatusCode, token: usize) {
        let failed = match status {
            StatusCode::BAD_REQUEST
            | StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::REQUEST_TIMEOUT
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => true,
            StatusCode::NOT_FOUND => route == Route::Other,
            _ => false,
        };
        let Some(Rate { rate, .. }) = self.failures.as_ref().filter(|_| failed) else {
            return;
        };
        let key = ClientKey::of(client);
        let mut cost = u32::try_from(1 + token / WORTH_ONE).unwrap_or(u32::MAX);
        // what is left, if it is not enough
        while let Some(count) = NonZeroU32::new(cost) {
            if rate.check_many(&key, count).is_ok() {
                break;
            }
            cost /= 2;
        }
    }

    /// Forgets clients that have their whole quota again; to be called every few seconds.
    pub(crate) fn tidy(&self) {
        let all = [&self.all, &self.failures, &self.public, &self.health];
        for rate in all.into_iter().flatten() {
            rate.rate.tidy();
        }
    }
}
