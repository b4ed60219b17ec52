//! How much reading an account may have the enclave do.
//!
//! Whoever holds a read token of an account may propose something to be signed, as often as they like,
//! and the host sees those tokens. Reading a large document of typed data takes some hundred times as long as answering any other
//! request. So large payloads are paid for with a budget of CPU time that each account has, and
//! that comes back with time. Small payloads cost no more than other requests; they are always
//! read, so that somebody else's proposals do not keep an account's owner from signing what people
//! usually sign.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use openkey_protocol::message::{AccountId, Error, ErrorCode, Payload};
use rustix::time::{ClockId, clock_gettime};

use crate::errors::refuse_because;

/// Payloads of at most so many bytes are not counted. Nearly all that applications ask people to
/// sign is smaller.
const FREE: usize = 4 * 1024;
/// CPU time that an account may use for large payloads in a minute, in microseconds. It may be
/// exceeded by one payload on each thread.
const BUDGET: u64 = 500_000;
/// How long it takes until a used-up budget is whole again, in milliseconds.
const WINDOW: u64 = 60_000;
/// Accounts whose use is remembered: those that have used the most of their budget.
const ACCOUNTS: usize = 4096;

/// The use of all accounts.
#[derive(Default)]
pub(crate) struct Effort(Mutex<HashMap<AccountId, Used>>);

/// What is not yet paid back.
#[derive(Clone, Copy)]
struct Used {
    micros: u64,
    /// When that was so. Milliseconds since 1970.
    at: u64,
}

impl Used {
    /// What is left of it at a later time.
    fn now(self, now: u64) -> u64 {
        let back = now.saturating_sub(self.at).saturating_mul(BUDGET) / WINDOW;
        self.micros.saturating_sub(back)
    }
}

impl Effort {
    /// Reads a payload for an account, if the account has some of its budget left.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::TooMany`] if it has not, or what `read` gives.
    pub(super) fn read<T>(
        &self,
        account: AccountId,
        payload: &Payload,
        now: u64,
        read: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let (Payload::Text(text) | Payload::Siwe(text) | Payload::TypedData(text)) = payload;
        if text.len() <= FREE {
            return read();
        }
        if self.used(&account, now) >= BUDGET {
            return Err(refuse_because(
                ErrorCode::TooMany,
                "This account has proposed too many large requests. Try again in a minute.",
            ));
        }
        // No `await` in between: the thread's clock counts this payload and nothing else.
        let began = thread_time();
        let result = read();
        self.charge(account, now, thread_time().saturating_sub(began));
        result
    }

    fn used(&self, account: &AccountId, now: u64) -> u64 {
        let accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.get(account).map_or(0, |used| used.now(now))
    }

    fn charge(&self, account: AccountId, now: u64, took: Duration) {
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let before = accounts.get(&account).map_or(0, |used| used.now(now));
        let micros = before.saturating_add(took);
        accounts.insert(account, Used { micros, at: now });
        if accounts.len() > ACCOUNTS {
            accounts.retain(|_, used| used.now(now) > 0);
        }
        if accounts.len() > ACCOUNTS {
            let least = accounts.iter().min_by_key(|(_, used)| used.now(now));
            if let Some(least) = least.map(|(account, _)| *account) {
                accounts.remove(&least);
            }
        }
    }
}

/// CPU time of this thread.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or_default());
    seconds + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_700_000_000_000;

    fn large() -> Payload {
        Payload::TypedData("x".repeat(FREE + 1))
    }

    fn account(number: u32) -> AccountId {
        let mut id = [0; 32];
        id[..4].copy_from_slice(&number.to_be_bytes());
        AccountId(id)
    }

    fn read(effort: &Effort, of: u32, payload: &Payload, now: u64) -> Result<(), ErrorCode> {
        let read = effort.read(account(of), payload, now, || Ok(()));
        read.map_err(|error| error.code)
    }

    #[test]
    fn h4_a_used_up_budget_refuses_large_payloads_of_one_account_for_a_while() {
        let effort = Effort::default();
        effort.charge(account(1), START, Duration::from_micros(2 * BUDGET));
        assert_eq!(read(&effort, 1, &large(), START), Err(ErrorCode::TooMany));
        assert_eq!(read(&effort, 2, &large(), START), Ok(()));
        let small = Payload::TypedData("x".repeat(FREE));
        assert_eq!(read(&effort, 1, &small, START), Ok(()));
        // twice the budget takes a window until there is some of it, and two until it is whole
        let almost = START + WINDOW - 1;
        assert_eq!(read(&effort, 1, &large(), almost), Err(ErrorCode::TooMany));
        assert_eq!(read(&effort, 1, &large(), START + WINDOW + 1), Ok(()));
        assert_eq!(effort.used(&account(1), START + 2 * WINDOW + 1), 0);
    }

    #[test]
    fn h4_what_is_remembered_is_bounded_and_the_greedy_are_remembered() {
        let effort = Effort::default();
        effort.charge(account(0), START, Duration::from_micros(BUDGET));
        for number in 1..=u32::try_from(2 * ACCOUNTS).unwrap() {
            effort.charge(account(number), START, Duration::from_micros(10));
        }
        assert!(effort.0.lock().unwrap().len() <= ACCOUNTS);
        assert_eq!(read(&effort, 0, &large(), START), Err(ErrorCode::TooMany));
        // those whose budget is whole again are forgotten first
        let later = START + WINDOW;
        effort.charge(account(0), later, Duration::from_micros(BUDGET));
        assert_eq!(read(&effort, 0, &large(), later), Err(ErrorCode::TooMany));
    }

    #[test]
    fn h4_reading_is_charged_with_the_cpu_it_took_whatever_came_of_it() {
        let effort = Effort::default();
        let work = || {
            let began = thread_time();
            while thread_time() - began < Duration::from_millis(20) {}
            Err::<(), _>(refuse_because(ErrorCode::TypedDataRefused, "no"))
        };
        let refused = effort.read(account(1), &large(), START, work).unwrap_err();
        assert_eq!(refused.code, ErrorCode::TypedDataRefused);
        let used = effort.used(&account(1), START);
        assert!((20_000..200_000).contains(&used), "{used}");
    }
}
