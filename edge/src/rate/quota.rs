//! Rates as people write them.

use std::{fmt, num::NonZeroU32, str::FromStr, time::Duration};

/// So many in a period: all at once if they like, then evenly (GCRA).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    count: NonZeroU32,
    period: Period,
    /// How many at once, if not as many as in a whole period.
    burst: Option<NonZeroU32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Period {
    Second,
    Minute,
    Hour,
}

impl Period {
    const ALL: [(Self, char, Duration); 3] = [
        (Self::Second, 's', Duration::from_secs(1)),
        (Self::Minute, 'm', Duration::from_secs(60)),
        (Self::Hour, 'h', Duration::from_secs(3600)),
    ];

    fn row(self) -> (char, Duration) {
        let mut rows = Self::ALL.iter().filter(|row| row.0 == self);
        rows.next()
            .map_or(('s', Duration::from_secs(1)), |row| (row.1, row.2))
    }
}

impl Quota {
    /// `count` in a second.
    #[must_use]
    pub const fn per_second(count: NonZeroU32) -> Self {
        Self {
            count,
            period: Period::Second,
            burst: None,
        }
    }

    /// `count` in a minute.
    #[must_use]
    pub const fn per_minute(count: NonZeroU32) -> Self {
        Self {
            count,
            period: Period::Minute,
            burst: None,
        }
    }

    /// `count` in an hour.
    #[must_use]
    pub const fn per_hour(count: NonZeroU32) -> Self {
        Self {
            count,
            period: Period::Hour,
            burst: None,
        }
    }

    /// The same, of which only so many may come at once, if it is not less anyway.
    #[must_use]
    pub const fn with_burst(self, burst: NonZeroU32) -> Self {
        Self {
            burst: Some(burst),
            ..self
        }
    }

    /// So many times as many, also at once; as many as can be counted at most.
    #[must_use]
    pub const fn times(self, factor: NonZeroU32) -> Self {
        Self {
            count: self.count.saturating_mul(factor),
            burst: match self.burst {
                Some(burst) => Some(burst.saturating_mul(factor)),
                None => None,
            },
            ..self
        }
    }

    /// As the limiter wants it; `None`: too many to count, which is no limit.
    pub(super) fn governed(self) -> Option<governor::Quota> {
        governor::Quota::with_period(self.period.row().1 / self.count.get())
            .map(|quota| quota.allow_burst(self.burst.unwrap_or(self.count).min(self.count)))
    }
}

/// Why a text is no rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected COUNT/s, COUNT/m or COUNT/h, such as 60/m; behind a colon, how many may come at once, such as 60/h:10"
)]
pub struct QuotaError;

impl FromStr for Quota {
    type Err = QuotaError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (count, rest) = text.split_once('/').ok_or(QuotaError)?;
        let (period, burst) = match rest.split_once(':') {
            Some((period, burst)) => (period, Some(burst.parse().map_err(|_| QuotaError)?)),
            None => (rest, None),
        };
        let count = count.parse().map_err(|_| QuotaError)?;
        let period = Period::ALL
            .iter()
            .find(|row| period.chars().eq([row.1]))
            .ok_or(QuotaError)?
            .0;
        Ok(Self {
            count,
            period,
            burst,
        })
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.period.row().0)?;
        match self.burst {
            Some(burst) => write!(f, ":{burst}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_reads_as_it_prints() {
        for text in ["1/s", "60/m", "1200/h", "60/h:10"] {
            assert_eq!(text.parse::<Quota>().unwrap().to_string(), text);
        }
        for text in [
            "", "60", "0/m", "-1/m", "60/d", "60/ms", "/m", "60/h:", "60/h:0", "60:1/h",
        ] {
            assert_eq!(text.parse::<Quota>(), Err(QuotaError), "{text}");
        }
    }

    #[test]
    fn a_burst_is_the_whole_count_and_refills_evenly() {
        let quota = "60/m".parse::<Quota>().unwrap().governed().unwrap();
        assert_eq!(quota.burst_size().get(), 60);
        assert_eq!(quota.replenish_interval(), Duration::from_secs(1));
        assert!(Quota::per_second(NonZeroU32::MAX).governed().is_none());
        let few = "60/m:1".parse::<Quota>().unwrap();
        let few = few.governed().unwrap();
        assert_eq!(few.burst_size(), NonZeroU32::MIN);
        assert_eq!(few.replenish_interval(), Duration::from_secs(1));
        let many = Quota::per_minute(few.burst_size()).with_burst(NonZeroU32::MAX);
        assert_eq!(many.governed().unwrap().burst_size(), NonZeroU32::MIN);
    }
}
