//! How much reading those who ask may have the enclave do.
//!
//! Whoever holds a read token of an account may propose something to be signed and read the history, as
//! often as they like, and the host sees those tokens. Reading a payload or a page of history can take many
//! times as long as answering any other request. So every payload and every entry is paid for with a budget
//! of CPU time that each account has, and that comes back with time. What people usually sign takes less than
//! a hundredth of it.
//!
//! Accounts cost little to make. So all accounts together have a budget, too: while it is used up, what each
//! account has done counts ten times. Whoever signs now and then does not notice; whoever spends more waits,
//! with however many accounts. The longest payloads are read one at a time: while many are waited for, what
//! is short is not.
//!
//! Whoever knows an account's receipt, or whose passkey was removed from it, can have entries read by heads
//! that nobody knows whether they made up. They have a budget of that account beside its own: they take
//! nothing from whoever signs with it, nor from others.
//!
//! Whoever has shown nothing yet can have entries read in the same way. All of them have one budget, which
//! takes nothing from accounts. Nobody needs it whose passkey stands in the account.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use openkey_protocol::message::{AccountId, Error, ErrorCode};
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::Semaphore;

use crate::errors::refuse_because;

/// CPU time that an account may use for payloads and history in a minute, in microseconds. It may be
/// exceeded by one request on each thread.
const BUDGET: u64 = 500_000;
/// CPU time of all accounts in a minute, a quarter of one processor, before what each uses counts [`DEAR`] times.
const SHARED: u64 = 15_000_000;
/// How many times CPU time counts while all accounts together have used [`SHARED`].
const DEAR: u64 = 10;
/// Bytes of a payload that is read at once. Longer ones wait for each other: one that takes long leaves the
/// other threads to everybody else.
const SHORT: usize = 4096;
/// CPU time of all who have shown nothing in a minute: a thirtieth of one processor.
const STRANGERS: u64 = 2_000_000;
/// How long it takes until a used-up budget is whole again, in milliseconds.
const WINDOW: u64 = 60_000;
/// Budgets whose use is remembered: those that are used up the most.
const BUDGETS: usize = 4096;

/// Whose budget pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Payer {
    /// An account, for whoever has shown that they may ask about it.
    Account(AccountId),
    /// Whoever knows an account's receipt or had a passkey in it, and may be anybody.
    Beside(AccountId),
    /// Everybody together who has shown nothing.
    Strangers,
}

/// The use of all budgets.
pub(crate) struct Effort {
    uses: Mutex<Uses>,
    /// Whose turn it is to have a long payload read.
    long: Semaphore,
}

impl Default for Effort {
    fn default() -> Self {
        Self {
            uses: Mutex::default(),
            long: Semaphore::new(1),
        }
    }
}

#[derive(Default)]
struct Uses {
    /// Of each account, and beside each.
    accounts: HashMap<Payer, Used>,
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
    /// Reads a payload of so many bytes for an account, if the account has some of its budget left.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::TooMany`] if it has not, or what `read` gives.
    pub(super) async fn read<T>(
        &self,
        account: AccountId,
        bytes: usize,
        now: u64,
        read: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let payer = Payer::Account(account);
        // Whoever has nothing left does not wait for it either.
        self.check(payer, now)?;
        let _turn = match bytes {
            ..=SHORT => None,
            // it is never closed
            _ => self.long.acquire().await.ok(),
        };
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
            Payer::Account(_) => (
                self.used(&payer, now) < BUDGET,
                "Reading what this account has proposed, or its history, took too much time. Try again in a \
                 minute.",
            ),
            Payer::Beside(_) => (
                self.used(&payer, now) < BUDGET,
                "Checking what is said to be known of this account took too much time. Try again in a minute.",
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
            Payer::Account(_) | Payer::Beside(_) => self.charge(payer, now, took),
            Payer::Strangers => self.uses().strangers.add(STRANGERS, now, micros(took)),
        }
        result
    }

    fn used(&self, payer: &Payer, now: u64) -> u64 {
        let uses = self.uses();
        let used = uses.accounts.get(payer);
        used.map_or(0, |used| used.now(BUDGET, now))
    }

    fn charge(&self, payer: Payer, now: u64, took: Duration) {
        let took = micros(took);
        let mut uses = self.uses();
        uses.all.add(SHARED, now, took);
        let counts = if uses.all.now(SHARED, now) < SHARED {
            took
        } else {
            took.saturating_mul(DEAR)
        };
        let accounts = &mut uses.accounts;
        accounts.entry(payer).or_default().add(BUDGET, now, counts);
        if accounts.len() > BUDGETS {
            accounts.retain(|_, used| used.now(BUDGET, now) > 0);
        }
        if accounts.len() > BUDGETS {
            let least = accounts
                .iter()
                .min_by_key(|(_, used)| used.now(BUDGET, now));
            if let Some(least) = least.map(|(payer, _)| *payer) {
                accounts.remove(&least);
            }
        }
    }

    fn uses(&self) -> MutexGuard<'_, Uses> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
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
        effort.check(payer(of), now).map_err(|error| error.code)
    }

    fn payer(number: u32) -> Payer {
        Payer::Account(account(number))
    }

    fn charge(effort: &Effort, of: u32, now: u64, micros: u64) {
        effort.charge(payer(of), now, Duration::from_micros(micros));
    }

    #[test]
    fn h4_a_used_up_budget_refuses_payloads_of_one_account_for_a_while() {
        let effort = Effort::default();
        charge(&effort, 1, START, 2 * BUDGET);
        assert_eq!(read(&effort, 1, START), Err(ErrorCode::TooMany));
        assert_eq!(read(&effort, 2, START), Ok(()));
        // twice the budget takes a window until there is some of it, and two until it is whole
        let almost = START + WINDOW - 1;
        assert_eq!(read(&effort, 1, almost), Err(ErrorCode::TooMany));
        assert_eq!(read(&effort, 1, START + WINDOW + 1), Ok(()));
        assert_eq!(effort.used(&payer(1), START + 2 * WINDOW + 1), 0);
    }

    #[test]
    fn h4_many_accounts_together_leave_each_a_modest_budget() {
        const MODEST: u64 = BUDGET / DEAR;
        let effort = Effort::default();
        let greedy = u32::try_from(SHARED / BUDGET).unwrap();
        for number in 1..=greedy {
            assert_eq!(read(&effort, number, START), Ok(()));
            charge(&effort, number, START, BUDGET);
            assert_eq!(read(&effort, number, START), Err(ErrorCode::TooMany));
        }
        // From here on a tenth is what anybody has, and whoever uses less than that does not notice.
        for used in 0..10 {
            assert_eq!(read(&effort, 0, START), Ok(()), "{used} tenths");
            charge(&effort, 0, START, MODEST / 10);
        }
        assert_eq!(read(&effort, 0, START), Err(ErrorCode::TooMany));
        assert_eq!(read(&effort, greedy + 1, START), Ok(()));
        assert_eq!(read(&effort, 1, START + WINDOW), Ok(()));
    }

    #[test]
    fn h4_many_accounts_that_go_on_use_little_more_than_the_shared_budget() {
        const STEP: u64 = 100;
        let effort = Effort::default();
        let mut used = 0;
        let minutes = 10;
        for now in (START..START + minutes * WINDOW).step_by(STEP as usize) {
            for number in 1..=100 {
                if read(&effort, number, now).is_ok() {
                    charge(&effort, number, now, 10_000);
                    used += 10_000;
                }
            }
        }
        // the first of it at once
        let most = (minutes + 2) * SHARED;
        assert!((SHARED..most).contains(&used), "{used} of {most}");
    }

    #[tokio::test]
    async fn h4_long_payloads_are_read_one_at_a_time_and_keep_no_short_one_waiting() {
        let effort = Effort::default();
        let read = |bytes| effort.read(account(1), bytes, START, || Ok(()));
        let turn = effort.long.acquire().await.unwrap();
        assert_eq!(read(SHORT).await, Ok(()));
        let waits = Duration::from_millis(20);
        assert!(tokio::time::timeout(waits, read(SHORT + 1)).await.is_err());
        // Whoever has nothing left is told so at once.
        charge(&effort, 1, START, BUDGET);
        let refused = read(SHORT + 1).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::TooMany);
        drop(turn);
        let later = effort.read(account(2), SHORT + 1, START, || Ok(()));
        assert_eq!(later.await, Ok(()));
    }

    #[test]
    fn h4_e17_who_knows_a_receipt_takes_nothing_from_the_account_nor_from_strangers() {
        let effort = Effort::default();
        let beside = |number| Payer::Beside(account(number));
        effort.charge(beside(1), START, Duration::from_micros(BUDGET));
        let refused = effort.check(beside(1), START).unwrap_err();
        assert_eq!(refused.code, ErrorCode::TooMany);
        for payer in [payer(1), beside(2), Payer::Strangers] {
            assert_eq!(effort.check(payer, START), Ok(()));
        }
        assert_eq!(effort.check(beside(1), START + WINDOW), Ok(()));
    }

    #[test]
    fn h4_what_is_remembered_is_bounded_and_the_greedy_are_remembered() {
        let effort = Effort::default();
        charge(&effort, 0, START, BUDGET);
        for number in 1..=u32::try_from(2 * BUDGETS).unwrap() {
            charge(&effort, number, START, 10);
        }
        assert!(effort.uses.lock().unwrap().accounts.len() <= BUDGETS);
        assert_eq!(read(&effort, 0, START), Err(ErrorCode::TooMany));
        // those whose budget is whole again are forgotten first
        let later = START + WINDOW;
        charge(&effort, 0, later, BUDGET);
        assert_eq!(read(&effort, 0, later), Err(ErrorCode::TooMany));
    }

    #[tokio::test]
    async fn h4_reading_is_charged_with_the_cpu_it_took_whatever_came_of_it() {
        let effort = Effort::default();
        let work = || {
            let began = thread_time();
            while thread_time() - began < Duration::from_millis(20) {}
            Err::<(), _>(refuse_because(ErrorCode::TypedDataRefused, "no"))
        };
        let refused = effort.read(account(1), 1, START, work).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::TypedDataRefused);
        let used = effort.used(&payer(1), START);
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
        assert_eq!(strangers(START + WINDOW), Ok(()));
        // nor does what accounts use take anything from strangers
        charge(&effort, 1, START + WINDOW, 2 * SHARED);
        assert_eq!(strangers(START + WINDOW), Ok(()));
    }
}
