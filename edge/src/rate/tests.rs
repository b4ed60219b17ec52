use std::{net::Ipv4Addr, num::NonZeroU32};

use governor::clock::FakeRelativeClock;

use super::*;
use crate::client::ClientKey;

fn client(n: u32) -> ClientKey {
    ClientKey::of(Ipv4Addr::from_bits(n).into())
}

fn rate(count: u32, keys: usize) -> (Rate<ClientKey, FakeRelativeClock>, FakeRelativeClock) {
    let clock = FakeRelativeClock::default();
    let quota = Quota::per_minute(NonZeroU32::new(count).unwrap());
    (Rate::with_clock(quota, keys, &clock), clock)
}

#[test]
fn a_quota_is_each_keys_own_and_refills() {
    let (rate, clock) = rate(2, 64);
    assert_eq!(rate.check(&client(1)), Ok(()));
    assert_eq!(rate.check(&client(1)), Ok(()));
    let wait = rate.check(&client(1)).unwrap_err();
    assert_eq!(wait, Duration::from_secs(30));
    assert_eq!(rate.check(&client(2)), Ok(()));
    clock.advance(wait);
    assert_eq!(rate.check(&client(1)), Ok(()));
    assert!(rate.check(&client(1)).is_err());
}

#[test]
fn d18_a_flood_of_addresses_takes_bounded_memory_and_refuses_nobody_new() {
    let (rate, clock) = rate(2, 64);
    for _ in 0..2 {
        assert_eq!(rate.check(&client(1)), Ok(()));
    }
    let refused = (1000..101_000)
        .filter(|n| rate.check(&client(*n)).is_err())
        .count();
    assert_eq!(refused, 0, "of newcomers");
    assert!(rate.keys() <= 64, "{}", rate.keys());
    // whoever has used the most is remembered the longest
    assert!(rate.check(&client(1)).is_err());
    // two minutes later all is forgotten
    clock.advance(Duration::from_secs(120));
    rate.tidy();
    assert_eq!(rate.keys(), 0);
    assert_eq!(rate.check(&client(5000)), Ok(()));
}

#[test]
fn a_key_may_be_anything() {
    let quota = Quota::per_hour(NonZeroU32::MIN);
    let rate: Rate<String> = Rate::new(quota, 64);
    assert_eq!(rate.check(&"a".to_owned()), Ok(()));
    assert!(rate.check(&"a".to_owned()).is_err());
    assert_eq!(rate.check(&"b".to_owned()), Ok(()));
}

#[test]
fn more_than_can_be_counted_is_no_limit() {
    let rate: Rate<ClientKey> = Rate::new(Quota::per_second(NonZeroU32::MAX), 64);
    assert!((0..10_000).all(|_| rate.check(&client(1)).is_ok()));
    assert_eq!(rate.keys(), 0);
}
