//! How much reading those who ask may have the enclave do.
//!
//! Whoever holds a read token of an account may propose something to be signed and read the history, as
//! often as they like, and the host sees those tokens. Reading a payload or a page of history can take many
//! times as long as answering any other request. So every payload and every entry is paid for with a budget
//! of CPU time that each account has, and that comes back with time. What people usually sign takes less than
//! a hundredth of it.
//!
//! Accounts cost little to make. So all accounts together have a budget, too: while it is used up, each
//! account has a tenth of its own. Whoever signs now and then has that tenth; whoever spends more
//! waits, with however many accounts.
//!
//! Whoever has shown nothing yet can have entries read, too: by heads that nobody knows whether they made
//! up. All of them have one budget, which takes nothing from accounts. Nobody needs it whose passkey stands
//! in the account.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use openkey_protocol::message::{AccountId, Error, ErrorCode};
use rustix::time::{ClockId, clock_gettime};

use crate::errors::refuse_because;

/// CPU time that an account may use for payloads and history in a minute, in microseconds. It may be
/// exceeded by one request on each thread.
const BUDGET: u64 = 500_000;
/// What an account may use while all accounts together have used [`SHARED`].
const MODEST: u64 = BUDGET / 10;
/// CPU time of all accounts in a minute before each has [`MODEST`] only: a quarter of one processor.
const SHARED: u64 = 15_000_000;
/// CPU time of all who have shown nothing in a minute: a thirtieth of one processor.
const STRANGERS: u64 = 2_000_000;
/// How long it takes until a used-up budget is whole again, in milliseconds.
const WINDOW: u64 = 60_000;
/// Accounts whose use is remembered: those that have used the most of their budget.
const ACCOUNTS: usize = 4096;

/// Whose budget pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Payer {
    /// An account, for whoever has shown that they may ask about it.
    Account(AccountId),
    /// Everybody together who has shown nothing.
    Strangers,
}

/// The use of all budgets.
#[derive(Default)]
pub(crate) struct Effort(Mutex<Uses>);

#[derive(Default)]
struct Uses {
    accounts: HashMap<AccountId, Used>,
    all: Used,
    strangers: Used,
}

/// What is not yet paid back.
#[derive(Clone, Copy, Default)]
struct Used {
    micros: u64,
    /// When that was so. Milliseconds since 1970.
    at: u64,
}

impl Used {
    /// What is left of it at a later time, of a budget that is whole after [`WINDOW`].
    fn now(self, budget: u64, now: u64) -> u64 {
        let back = now.saturating_sub(self.at).saturating_mul(budget) / WINDOW;
        self.micros.saturating_sub(back)
    }

    fn add(&mut self, budget: u64, now: u64, micros: u64) {
        *self = Self {
            micros: self.now(budget, now).saturating_add(micros),
            at: now,
        };
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
        now: u64,
        read: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let payer = Payer::Account(account);
        self.check(payer, now)?;
        self.work(payer, now, read)
    }

    /// Refuses a payer whose budget is used up.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::TooMany`].
    pub(super) fn check(&self, payer: Payer, now: u64) -> Result<(), Error> {
        let (left, message) = match payer {
            Payer::Account(account) => (
                self.used(&account, now) < self.budget(now),
                "Reading what this account has proposed, or its history, took too much time. Try again in a \
                 minute.",
            ),
            Payer::Strangers => (
                self.uses().strangers.now(STRANGERS, now) < STRANGERS,
                "Checking what is said to be known of accounts took too much time. Try again in a minute.",
            ),
        };
        if !left {
            return Err(refuse_because(ErrorCode::TooMany, message));
        }
        Ok(())
    }

    /// Does some of what a payer was not refused, and charges the CPU time that it takes. There is no `await`
    /// in it: the thread's clock counts this work and nothing else.
    pub(super) fn work<T>(&self, payer: Payer, now: u64, work: impl FnOnce() -> T) -> T {
        let began = thread_time();
        let result = work();
        let took = thread_time().saturating_sub(began);
        match payer {
            Payer::Account(account) => self.charge(account, now, took),
            Payer::Strangers => self.uses().strangers.add(STRANGERS, now, micros(took)),
        }
        result
    }

    /// What an account may use at present.
    fn budget(&self, now: u64) -> u64 {
        if self.uses().all.now(SHARED, now) < SHARED {
            BUDGET
        } else {
            MODEST
        }
    }

    fn used(&self, account: &AccountId, now: u64) -> u64 {
        let uses = self.uses();
        let used = uses.accounts.get(account);
        used.map_or(0, |used| used.now(BUDGET, now))
    }

    fn charge(&self, account: AccountId, now: u64, took: Duration) {
        let took = micros(took);
        let mut uses = self.uses();
        uses.all.add(SHARED, now, took);
        let accounts = &mut uses.accounts;
        accounts.entry(account).or_default().add(BUDGET, now, took);
        if accounts.len() > ACCOUNTS {
            accounts.retain(|_, used| used.now(BUDGET, now) > 0);
        }
        if accounts.len() > ACCOUNTS {
            let least = accounts
                .iter()
                .min_by_key(|(_, used)| used.now(BUDGET, now));
            if let Some(least) = least.map(|(account, _)| *account) {
                accounts.remove(&least);
            }
        }
    }

    fn uses(&self) -> MutexGuard<'_, Uses> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
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

    fn account(number: u32) -> AccountId {
        let mut id = [0; 32];
        id[..4].copy_from_slice(&number.to_be_bytes());
        AccountId(id)
    }

    fn read(effort: &Effort, of: u32, now: u64) -> Result<(), ErrorCode> {
        let read = effort.read(account(of), now, || Ok(()));
        read.map_err(|error| error.code)
    }

    #[test]
    fn h4_a_used_up_budget_refuses_payloads_of_one_account_for_a_while() {
        let effort = Effort::default();
        effort.charge(account(1), START, Duration::from_micros(2 * BUDGET));
        assert_eq!(read(&effort, 1, START), Err(ErrorCode::TooMany));
        assert_eq!(read(&effort, 2, START), Ok(()));
        // twice the budget takes a window until there is some of it, and two until it is whole
        let almost = START + WINDOW - 1;
        assert_eq!(read(&effort, 1, almost), Err(ErrorCode::TooMany));
        assert_eq!(read(&effort, 1, START + WINDOW + 1), Ok(()));
        assert_eq!(effort.used(&account(1), START + 2 * WINDOW + 1), 0);
    }

    #[test]
    fn h4_many_accounts_together_leave_each_a_modest_budget() {
        let effort = Effort::default();
        // Ada has signed a little, and each of the others less than its own budget.
        effort.charge(account(0), START, Duration::from_micros(MODEST / 2));
        let most = BUDGET - 1;
        let greedy = u32::try_from(SHARED / most + 1).unwrap();
        for number in 1..=greedy {
            assert_eq!(read(&effort, number, START), Ok(()));
            effort.charge(account(number), START, Duration::from_micros(most));
        }
        for number in 1..=greedy {
            assert_eq!(read(&effort, number, START), Err(ErrorCode::TooMany));
        }
        assert_eq!(read(&effort, 0, START), Ok(()));
        assert_eq!(read(&effort, greedy + 1, START), Ok(()));
        let later = START + WINDOW;
        assert_eq!(read(&effort, 1, later), Ok(()));
    }

    #[test]
    fn h4_what_is_remembered_is_bounded_and_the_greedy_are_remembered() {
        let effort = Effort::default();
        effort.charge(account(0), START, Duration::from_micros(BUDGET));
        for number in 1..=u32::try_from(2 * ACCOUNTS).unwrap() {
            effort.charge(account(number), START, Duration::from_micros(10));
        }
        assert!(effort.0.lock().unwrap().accounts.len() <= ACCOUNTS);
        assert_eq!(read(&effort, 0, START), Err(ErrorCode::TooMany));
        // those whose budget is whole again are forgotten first
        let later = START + WINDOW;
        effort.charge(account(0), later, Duration::from_micros(BUDGET));
        assert_eq!(read(&effort, 0, later), Err(ErrorCode::TooMany));
    }

    #[test]
    fn h4_reading_is_charged_with_the_cpu_it_took_whatever_came_of_it() {
        let effort = Effort::default();
        let work = || {
            let began = thread_time();
            while thread_time() - began < Duration::from_millis(20) {}
            Err::<(), _>(refuse_because(ErrorCode::TypedDataRefused, "no"))
        };
        let refused = effort.read(account(1), START, work).unwrap_err();
        assert_eq!(refused.code, ErrorCode::TypedDataRefused);
        let used = effort.used(&account(1), START);
        assert!((20_000..200_000).contains(&used), "{used}");
    }

    #[test]
    fn h4_strangers_have_one_budget_and_take_nothing_from_accounts() {
        let effort = Effort::default();
        let strangers = |now| effort.check(Payer::Strangers, now).map_err(|it| it.code);
        assert_eq!(strangers(START), Ok(()));
        effort.work(Payer::Strangers, START, || {
            let began = thread_time();
            while thread_time() - began < Duration::from_millis(20) {}
        });
        let used = effort.uses().strangers.micros;
        assert!((20_000..200_000).contains(&used), "{used}");
        assert_eq!(effort.uses().all.micros, 0);
        effort.uses().strangers.add(STRANGERS, START, STRANGERS);
        assert_eq!(strangers(START), Err(ErrorCode::TooMany));
        assert_eq!(read(&effort, 1, START), Ok(()));
        assert_eq!(effort.budget(START), BUDGET);
        assert_eq!(strangers(START + WINDOW), Ok(()));
        // nor does what accounts use take anything from strangers
        effort.charge(
            account(1),
            START + WINDOW,
            Duration::from_micros(2 * SHARED),
        );
        assert_eq!(strangers(START + WINDOW), Ok(()));
    }
}
