//! Memory for bodies that are read whole.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{client::ClientKey, shares::Shares};

/// Bytes that large bodies may take at once; small ones are not counted. For servers that read
/// bodies whole; who streams needs none.
#[derive(Debug)]
pub struct BodyBudget {
    small: usize,
    large: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug)]
struct Taken {
    all: usize,
    shares: Shares,
}

/// Room for one body, given back when dropped.
#[derive(Debug)]
pub struct BodyRoom<'a> {
    of: &'a BodyBudget,
    client: ClientKey,
    counted: usize,
}

impl BodyBudget {
    /// Bodies up to `small` bytes are not counted: as many as there may be connections must fit in
    /// memory. Larger ones share `large` bytes, of which one client has at most `each`.
    #[must_use]
    pub fn new(small: usize, large: usize, each: usize) -> Self {
        Self {
            small,
            large,
            taken: Mutex::new(Taken {
                all: 0,
                shares: Shares::new(each),
            }),
        }
    }

    /// Room for a body of this client, of which nothing has arrived yet.
    pub const fn room(&self, client: ClientKey) -> BodyRoom<'_> {
        BodyRoom {
            of: self,
            client,
            counted: 0,
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BodyRoom<'_> {
    /// Whether there is room for a body of which so many bytes have arrived. What is declared and
    /// does not arrive takes no room.
    #[must_use]
    pub fn holds(&mut self, arrived: usize) -> bool {
        if arrived <= self.of.small {
            return true;
        }
        let more = arrived.saturating_sub(self.counted);
        let mut taken = self.of.taken();
        if taken.all.saturating_add(more) > self.of.large || !taken.shares.take(self.client, more) {
            return false;
        }
        taken.all += more;
        self.counted += more;
        true
    }
}

impl Drop for BodyRoom<'_> {
    fn drop(&mut self) {
        if self.counted > 0 {
            let mut taken = self.of.taken();
            taken.all -= self.counted;
            taken.shares.give(self.client, self.counted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 256 * 1024;

    fn client(n: u8) -> ClientKey {
        ClientKey::of([192, 0, 2, n].into())
    }

    #[test]
    fn h1_large_bodies_share_a_bounded_memory_and_small_ones_need_none() {
        let budget = BodyBudget::new(16 * 1024, 10 * SIZE, usize::MAX);
        let mut held = Vec::new();
        for _ in 0..1000 {
            let mut room = budget.room(client(1));
            if room.holds(SIZE) {
                held.push(room);
            }
        }
        assert_eq!(held.len(), 10);
        assert!(budget.room(client(2)).holds(16 * 1024));
        assert!(!budget.room(client(2)).holds(16 * 1024 + 1));
        drop(held);
        assert!(budget.room(client(1)).holds(SIZE));
        assert!(!budget.room(client(1)).holds(usize::MAX));
    }

    #[test]
    fn h1_what_is_declared_takes_no_room_and_one_client_only_its_share() {
        let budget = BodyBudget::new(16 * 1024, 10 * SIZE, 2 * SIZE);
        let mut silent: Vec<_> = (0..1000).map(|_| budget.room(client(1))).collect();
        assert!(silent.iter_mut().all(|room| room.holds(16 * 1024)));
        assert!(budget.room(client(2)).holds(SIZE));
        let arrived = silent
            .iter_mut()
            .filter_map(|room| room.holds(SIZE).then_some(()));
        assert_eq!(arrived.count(), 2);
        assert!(budget.room(client(2)).holds(SIZE));
        // counted as it arrives, not once for each piece
        let mut growing = budget.room(client(2));
        assert!((1..=16).all(|n| growing.holds(n * SIZE / 8)));
        assert!(!growing.holds(2 * SIZE + 1));
    }
}
