//! Memory for bodies that are read whole.

use tokio::sync::{Semaphore, SemaphorePermit};

/// Bytes that large bodies may take at once; small ones are not counted. For servers that read
/// bodies whole; who streams needs none.
#[derive(Debug)]
pub struct BodyBudget {
    small: usize,
    large: Semaphore,
}

/// Room for one body, given back when dropped.
#[derive(Debug)]
pub struct BodyRoom<'a>(
    #[expect(dead_code, reason = "it is held, not read")] Option<SemaphorePermit<'a>>,
);

impl BodyBudget {
    /// Bodies up to `small` bytes are not counted: as many as there may be connections must fit in
    /// memory. Larger ones share `large` bytes.
    #[must_use]
    pub fn new(small: usize, large: usize) -> Self {
        Self {
            small,
            large: Semaphore::new(large.min(Semaphore::MAX_PERMITS)),
        }
    }

    /// Room for a body of `size` bytes, or `None` when there is no more.
    pub fn take(&self, size: usize) -> Option<BodyRoom<'_>> {
        if size <= self.small {
            return Some(BodyRoom(None));
        }
        let size = u32::try_from(size).ok()?;
        let permit = self.large.try_acquire_many(size).ok()?;
        Some(BodyRoom(Some(permit)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h1_large_bodies_share_a_bounded_memory_and_small_ones_need_none() {
        let size = 256 * 1024;
        let budget = BodyBudget::new(16 * 1024, 10 * size);
        let taken: Vec<_> = std::iter::from_fn(|| budget.take(size))
            .take(1000)
            .collect();
        assert_eq!(taken.len(), 10);
        assert!(budget.take(16 * 1024).is_some());
        assert!(budget.take(16 * 1024 + 1).is_none());
        drop(taken);
        assert!(budget.take(size).is_some());
        assert!(budget.take(usize::MAX).is_none());
    }
}
