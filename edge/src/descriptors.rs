//! File descriptors: each connection takes some, and a process may have only so many.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Fewer connections than that are no service.
const LEAST: usize = 64;

/// The connections that were configured need more descriptors than there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this process may have {most} open files, and needs {needed} for the connections that it is told to take, \
     {least} at the least: raise the hard limit on open files (LimitNOFILE of a systemd unit, ulimit -Hn)"
)]
pub struct TooFew {
    most: usize,
    needed: usize,
    least: usize,
}

/// What there is for connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    available: usize,
    wanted: usize,
}

/// Raises the soft limit on open files to the hard one, and says how many there may be. It is safe for
/// programs that do not use `select`.
pub fn raise() -> usize {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return count(limit.current);
    }
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => count(limit.maximum),
        Err(error) => {
            tracing::warn!(%error, "the limit on open files cannot be raised");
            count(limit.current)
        }
    }
}

fn count(limit: Option<u64>) -> usize {
    limit
        .and_then(|limit| usize::try_from(limit).ok())
        .unwrap_or(usize::MAX)
}

impl Room {
    /// Of a process that may have `most` descriptors and keeps `reserve` of them for itself, for
    /// connections that want so many in all. Says so in the log if they do not all fit.
    ///
    /// # Errors
    ///
    /// [`TooFew`] if hardly any fit.
    pub fn of(most: usize, reserve: usize, wanted: usize) -> Result<Self, TooFew> {
        let available = most.saturating_sub(reserve);
        let room = Self { available, wanted };
        if available >= wanted {
            return Ok(room);
        }
        let needed = wanted.saturating_add(reserve);
        if available < LEAST {
            return Err(TooFew {
                most,
                needed,
                least: LEAST + reserve,
            });
        }
        tracing::warn!(
            most,
            needed,
            "there are fewer places for connections than configured: raise the hard limit on open files"
        );
        Ok(room)
    }

    /// So many places, or their part of what there is.
    #[must_use]
    pub fn fit(self, places: usize) -> usize {
        if self.available >= self.wanted {
            return places;
        }
        let part = (places as u128) * (self.available as u128) / (self.wanted.max(1) as u128);
        usize::try_from(part).unwrap_or(places).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h1_places_are_as_many_as_there_are_descriptors_for() {
        let room = |most, wanted| Room::of(most, 100, wanted);
        assert_eq!(room(usize::MAX, 4096).unwrap().fit(4096), 4096);
        assert_eq!(room(4196, 4096).unwrap().fit(4096), 4096);
        // half of what is wanted: everybody has half
        let half = room(2148, 4096).unwrap();
        assert_eq!((half.fit(2048), half.fit(1024)), (1024, 512));
        assert_eq!(half.fit(1), 1, "a listener without a place is none");
        let huge = room(1124, usize::MAX).unwrap();
        assert!((1000..=1024).contains(&huge.fit(usize::MAX)));
        assert!(room(163, 4096).is_err());
        assert!(room(20, 4096).is_err());
        let told = room(150, 4096).unwrap_err().to_string();
        for said in ["150", "4196", "164", "LimitNOFILE"] {
            assert!(told.contains(said), "{told}");
        }
        // few are enough for whoever wants few
        assert_eq!(room(110, 8).unwrap().fit(8), 8);
    }

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let most = raise();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
        assert_eq!(most, count(limit.maximum));
    }
}
