//! What a verifier accepts.

mod file;

use core::time::Duration;

pub use file::{PolicyDraft, PolicyFile, PolicyFileError, ReleaseKeysText};

use crate::limits::{
    DEFAULT_AGE_SECONDS, DEFAULT_CHANNEL_AGE_SECONDS, DEFAULT_SKEW_SECONDS, MAX_AGE_SECONDS,
    MAX_MEASUREMENT_SETS, MAX_SKEW_SECONDS,
};
use crate::measurement::Measurements;

/// What a verifier accepts. It cannot be empty: [`Policy::one_of`] names measurements, and
/// [`Policy::any_measurement`] says in so many words that none matter.
///
/// Everything else has a strict default: five minutes of age, one hour for evidence of a channel,
/// one minute of skew, no debug mode, hardware only, no key binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Empty only when made by `any_measurement`.
    sets: Vec<Measurements>,
    max_age: Duration,
    max_channel_age: Duration,
    max_skew: Duration,
    allow_debug: bool,
    simulator: bool,
    public_key: Option<Vec<u8>>,
    user_data_sha256: Option<[u8; 32]>,
    root_id: Option<[u8; 32]>,
    min_epoch: Option<u32>,
}

/// Why a policy cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// No measurement set: nothing would be accepted, or everything.
    #[error("the policy names no measurements")]
    NoMeasurements,
    /// More sets than releases are ever accepted side by side.
    #[error("the policy names more than {MAX_MEASUREMENT_SETS} measurement sets")]
    TooManyMeasurements,
    /// A maximum age of nothing, or above what certificates live.
    #[error("the maximum age is not between 1 and {MAX_AGE_SECONDS} seconds")]
    MaxAge,
    /// A skew that amounts to no check.
    #[error("the maximum skew is above {MAX_SKEW_SECONDS} seconds")]
    MaxSkew,
}

impl PolicyError {
    /// The broken rule's stable name.
    pub const fn rule(self) -> &'static str {
        match self {
            Self::NoMeasurements => "policy_without_measurements",
            Self::TooManyMeasurements => "policy_measurements_too_many",
            Self::MaxAge => "policy_max_age",
            Self::MaxSkew => "policy_max_skew",
        }
    }
}

impl Policy {
    /// Accepts an enclave whose PCRs equal one of these sets whole. Several sets are for upgrades,
    /// while two releases run side by side. PCRs that a set does not name may have any value.
    ///
    /// # Errors
    ///
    /// No set, or more than [`MAX_MEASUREMENT_SETS`].
    pub fn one_of(sets: impl IntoIterator<Item = Measurements>) -> Result<Self, PolicyError> {
        let sets: Vec<_> = sets.into_iter().take(MAX_MEASUREMENT_SETS + 1).collect();
        match sets.len() {
            0 => Err(PolicyError::NoMeasurements),
            n if n > MAX_MEASUREMENT_SETS => Err(PolicyError::TooManyMeasurements),
            _ => Ok(Self::with_sets(sets)),
        }
    }

    /// Accepts an enclave that runs any code at all: under the AWS root, anybody's. Says only that
    /// there *is* an enclave, which is of use to look at documents.
    pub fn any_measurement() -> Self {
        Self::with_sets(Vec::new())
    }

    fn with_sets(sets: Vec<Measurements>) -> Self {
        Self {
            sets,
            max_age: Duration::from_secs(DEFAULT_AGE_SECONDS),
            max_channel_age: Duration::from_secs(DEFAULT_CHANNEL_AGE_SECONDS),
            max_skew: Duration::from_secs(DEFAULT_SKEW_SECONDS),
            allow_debug: false,
            simulator: false,
            public_key: None,
            user_data_sha256: None,
            root_id: None,
            min_epoch: None,
        }
    }

    /// Sets how old fresh evidence may be: 1 s to [`MAX_AGE_SECONDS`].
    ///
    /// # Errors
    ///
    /// An age out of these bounds.
    pub fn max_age(mut self, age: Duration) -> Result<Self, PolicyError> {
        self.max_age = bounded_age(age)?;
        Ok(self)
    }

    /// Sets how old evidence for a channel may be: 1 s to [`MAX_AGE_SECONDS`].
    ///
    /// # Errors
    ///
    /// An age out of these bounds.
    pub fn max_channel_age(mut self, age: Duration) -> Result<Self, PolicyError> {
        self.max_channel_age = bounded_age(age)?;
        Ok(self)
    }

    /// Sets how far ahead of the verifier's clock fresh evidence may be, that is, how slow that
    /// clock may be: at most [`MAX_SKEW_SECONDS`]. A fast clock makes documents look older, so
    /// the maximum age bounds it.
    ///
    /// # Errors
    ///
    /// A skew above the bound.
    pub fn max_skew(mut self, skew: Duration) -> Result<Self, PolicyError> {
        if skew > Duration::from_secs(MAX_SKEW_SECONDS) {
            return Err(PolicyError::MaxSkew);
        }
        self.max_skew = skew;
        Ok(self)
    }

    /// Sets whether enclaves in debug mode are accepted. Unless it is, they are refused even when
    /// a measurement set lists their zeros.
    pub fn allow_debug(mut self, allow: bool) -> Self {
        self.allow_debug = allow;
        self
    }

    /// Sets which kind of document is accepted: a simulator's (`true`) or hardware's (`false`).
    ///
    /// Never both. A policy for simulators refuses documents with a hardware's module id, also
    /// under a root that the verifier pins, so that a policy cannot say one thing about
    /// measurements of hardware and, by accident, another about those of a simulator.
    pub fn simulator(mut self, simulator: bool) -> Self {
        self.simulator = simulator;
        self
    }

    /// Binds the document to a key: its `public_key` must be these bytes.
    pub fn bind_public_key(mut self, key: Vec<u8>) -> Self {
        self.public_key = Some(key);
        self
    }

    /// Binds the document to data: the SHA-256 of its `user_data` must be this.
    pub fn bind_user_data_sha256(mut self, hash: [u8; 32]) -> Self {
        self.user_data_sha256 = Some(hash);
        self
    }

    /// Pins the root key: what the enclave's program says of itself in `user_data` must name this
    /// root id. This crate does not read `user_data`: whoever reads it (for OpenKey's programs
    /// `openkey-verifier`) holds it to the policy.
    pub fn pin_root_id(mut self, root_id: [u8; 32]) -> Self {
        self.root_id = Some(root_id);
        self
    }

    /// Refuses programs that say in `user_data` that their release epoch is lower. Checked as
    /// [`Self::pin_root_id`] is.
    pub fn min_epoch(mut self, epoch: u32) -> Self {
        self.min_epoch = Some(epoch);
        self
    }

    /// The same policy with every measurement set changed.
    ///
    /// # Errors
    ///
    /// The first error of `change`.
    pub fn try_map_measurements<E>(
        mut self,
        change: impl FnMut(Measurements) -> Result<Measurements, E>,
    ) -> Result<Self, E> {
        self.sets = self
            .sets
            .into_iter()
            .map(change)
            .collect::<Result<_, E>>()?;
        Ok(self)
    }

    /// The accepted measurement sets; `None` when any measurement is accepted.
    pub fn measurements(&self) -> Option<&[Measurements]> {
        (!self.sets.is_empty()).then_some(&self.sets)
    }

    /// How old fresh evidence may be.
    pub fn accepted_age(&self) -> Duration {
        self.max_age
    }

    /// How old evidence for a channel may be.
    pub fn accepted_channel_age(&self) -> Duration {
        self.max_channel_age
    }

    /// How far ahead of the verifier's clock fresh evidence may be.
    pub fn accepted_skew(&self) -> Duration {
        self.max_skew
    }

    /// Whether enclaves in debug mode are accepted.
    pub fn accepts_debug(&self) -> bool {
        self.allow_debug
    }

    /// Whether the policy is for a simulator's documents.
    pub fn is_for_simulator(&self) -> bool {
        self.simulator
    }

    /// The `public_key` that a document must carry.
    pub fn bound_public_key(&self) -> Option<&[u8]> {
        self.public_key.as_deref()
    }

    /// The SHA-256 of the `user_data` that a document must carry.
    pub fn bound_user_data_sha256(&self) -> Option<&[u8; 32]> {
        self.user_data_sha256.as_ref()
    }

    /// The root id that the program must name.
    pub fn pinned_root_id(&self) -> Option<&[u8; 32]> {
        self.root_id.as_ref()
    }

    /// The lowest release epoch that the program may name.
    pub fn lowest_epoch(&self) -> Option<u32> {
        self.min_epoch
    }

    /// Whether the policy asks anything of the program's own words in `user_data`.
    pub fn asks_the_program(&self) -> bool {
        self.root_id.is_some() || self.min_epoch.is_some()
    }
}

fn bounded_age(age: Duration) -> Result<Duration, PolicyError> {
    if age < Duration::from_secs(1) || age > Duration::from_secs(MAX_AGE_SECONDS) {
        return Err(PolicyError::MaxAge);
    }
    Ok(age)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::Pcr;

    fn set(byte: u8) -> Measurements {
        Measurements::new([(0, Pcr([byte; 48]))]).unwrap()
    }

    #[test]
    fn a_policy_is_never_empty() {
        assert_eq!(Policy::one_of([]), Err(PolicyError::NoMeasurements));
        let many = (0..=MAX_MEASUREMENT_SETS).map(|_| set(1));
        assert_eq!(Policy::one_of(many), Err(PolicyError::TooManyMeasurements));
        let policy = Policy::one_of([set(1), set(2)]).unwrap();
        assert_eq!(policy.measurements(), Some(&[set(1), set(2)][..]));
        assert_eq!(Policy::any_measurement().measurements(), None);
    }

    #[test]
    fn defaults_are_strict() {
        let policy = Policy::any_measurement();
        assert_eq!(policy.accepted_age(), Duration::from_secs(300));
        assert_eq!(policy.accepted_channel_age(), Duration::from_secs(3600));
        assert_eq!(policy.accepted_skew(), Duration::from_secs(60));
        assert!(!policy.accepts_debug());
        assert!(!policy.is_for_simulator());
        assert_eq!(policy.bound_public_key(), None);
        assert_eq!(policy.bound_user_data_sha256(), None);
        assert_eq!(policy.pinned_root_id(), None);
        assert_eq!(policy.lowest_epoch(), None);
    }

    #[test]
    fn age_and_skew_are_bounded_on_both_sides() {
        let age = |s| Policy::any_measurement().max_age(Duration::from_secs(s));
        assert_eq!(age(0), Err(PolicyError::MaxAge));
        assert!(age(1).is_ok());
        assert!(age(MAX_AGE_SECONDS).is_ok());
        assert_eq!(age(MAX_AGE_SECONDS + 1), Err(PolicyError::MaxAge));
        let channel = |s| Policy::any_measurement().max_channel_age(Duration::from_secs(s));
        assert_eq!(channel(0), Err(PolicyError::MaxAge));
        assert!(channel(1).is_ok());
        assert_eq!(channel(MAX_AGE_SECONDS + 1), Err(PolicyError::MaxAge));
        let skew = |s| Policy::any_measurement().max_skew(Duration::from_secs(s));
        assert!(skew(0).is_ok());
        assert!(skew(MAX_SKEW_SECONDS).is_ok());
        assert_eq!(skew(MAX_SKEW_SECONDS + 1), Err(PolicyError::MaxSkew));
    }
}
