use std::{net::Ipv4Addr, num::NonZeroU32};

use governor::clock::FakeRelativeClock;

use super::*;

fn client(n: u32) -> ClientKey {
    ClientKey::of(Ipv4Addr::from_bits(n).into())
}

fn rates(limits: &Limits) -> (Rates<FakeRelativeClock>, FakeRelativeClock) {
    let clock = FakeRelativeClock::default();
    (Rates::new(limits, &clock), clock)
}

fn limits(count: u32) -> Limits {
    let quota = Quota::per_minute(NonZeroU32::new(count).unwrap());
    Limits {
        sign_up: quota,
        evidence: quota,
        request: quota,
        ..Limits::default()
    }
}

#[test]
fn a_quota_is_per_address_and_per_class_and_refills() {
    let (rates, clock) = rates(&limits(2));
    assert_eq!(rates.check(Class::SignUp, client(1)), Ok(()));
    assert_eq!(rates.check(Class::SignUp, client(1)), Ok(()));
    let wait = rates.check(Class::SignUp, client(1)).unwrap_err();
    assert_eq!(wait, Duration::from_secs(30));
    assert_eq!(rates.check(Class::SignUp, client(2)), Ok(()));
    assert_eq!(rates.check(Class::Request, client(1)), Ok(()));
    clock.advance(wait);
    assert_eq!(rates.check(Class::SignUp, client(1)), Ok(()));
    assert!(rates.check(Class::SignUp, client(1)).is_err());
}

#[test]
fn d18_a_flood_of_addresses_takes_bounded_memory_and_spares_known_ones() {
    let (rates, clock) = rates(&Limits {
        addresses: 64,
        ..limits(2)
    });
    assert_eq!(rates.check(Class::Request, client(1)), Ok(()));
    let refused = (1000..101_000)
        .filter(|n| rates.check(Class::Request, client(*n)).is_err())
        .count();
    // 1024 shared buckets of 2, and the few that had their own
    assert!(refused > 95_000, "{refused}");
    assert!(rates.addresses() <= 64 + 16 + 1024, "{}", rates.addresses());
    assert_eq!(rates.check(Class::Request, client(1)), Ok(()));
    assert!(rates.check(Class::Request, client(1)).is_err());
    // two minutes later all is forgotten
    clock.advance(Duration::from_secs(120));
    rates.tidy();
    assert_eq!(rates.addresses(), 0);
    assert_eq!(rates.check(Class::Request, client(5000)), Ok(()));
}

#[test]
fn without_rates_nobody_waits() {
    let (rates, _clock) = rates(&limits(1).without_rates());
    assert!((0..10_000).all(|_| rates.check(Class::SignUp, client(1)).is_ok()));
    assert_eq!(rates.addresses(), 0);
}
