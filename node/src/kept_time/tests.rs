use std::sync::atomic::{AtomicI64, Ordering};

use super::*;

const NOW: i64 = 1_800_000_000_000;
const SECOND: i64 = 1000;

/// What the machine's clocks say.
struct Machine {
    wall_ms: AtomicI64,
    steady_ms: AtomicI64,
    boot: &'static str,
}

impl Clock for Machine {
    fn now_ms(&self) -> i64 {
        self.wall_ms.load(Ordering::Relaxed)
    }

    fn steady_ms(&self) -> Option<i64> {
        Some(self.steady_ms.load(Ordering::Relaxed))
    }

    fn boot(&self) -> String {
        self.boot.to_owned()
    }
}

impl Machine {
    fn at(wall_ms: i64, steady_ms: i64, boot: &'static str) -> Arc<Self> {
        Arc::new(Self {
            wall_ms: AtomicI64::new(wall_ms),
            steady_ms: AtomicI64::new(steady_ms),
            boot,
        })
    }

    fn pass(&self, ms: i64) {
        self.wall_ms.fetch_add(ms, Ordering::Relaxed);
        self.steady_ms.fetch_add(ms, Ordering::Relaxed);
    }

    fn jump(&self, ms: i64) {
        self.wall_ms.fetch_add(ms, Ordering::Relaxed);
    }
}

fn on(machine: &Arc<Machine>, kept: Option<Kept>) -> KeptTime {
    KeptTime::new(Arc::<Machine>::clone(machine), kept)
}

fn new() -> (Arc<Machine>, KeptTime) {
    let machine = Machine::at(NOW, 5000, "boot");
    let time = on(&machine, None);
    (machine, time)
}

#[test]
fn small_steps_are_followed_and_time_never_goes_back() {
    let (machine, time) = new();
    assert_eq!(time.now_ms(), NOW);
    machine.pass(SECOND);
    assert_eq!(time.now_ms(), NOW + SECOND);
    machine.jump(30 * SECOND);
    assert_eq!(time.now_ms(), NOW + 31 * SECOND);
    machine.jump(-20 * SECOND);
    assert_eq!(time.now_ms(), NOW + 31 * SECOND);
    // it goes slower until it is right again
    let mut before = time.now_ms();
    for _ in 0..100 {
        machine.pass(SECOND);
        let now = time.now_ms();
        assert!(now >= before);
        before = now;
    }
    assert_eq!(time.now_ms(), machine.now_ms());
    assert_eq!(time.off_ms(), None);
}

#[test]
fn h9_a_jump_changes_nothing_until_it_has_lasted() {
    for jump in [61, 600, 86_400, -61, -600] {
        let (machine, time) = new();
        machine.jump(jump * SECOND);
        assert_eq!(time.now_ms(), NOW);
        assert_eq!(time.off_ms(), Some(jump * SECOND));
        machine.pass(LASTS_MS - SECOND);
        assert_eq!(time.now_ms(), NOW + LASTS_MS - SECOND);
        machine.pass(SECOND);
        assert_eq!(time.now_ms(), NOW + LASTS_MS + jump * SECOND);
        assert_eq!(time.off_ms(), None);
    }
}

#[test]
fn h9_a_jump_that_is_undone_was_none() {
    let (machine, time) = new();
    machine.jump(600 * SECOND);
    assert_eq!(time.now_ms(), NOW);
    machine.pass(300 * SECOND);
    machine.jump(-600 * SECOND);
    assert_eq!(time.now_ms(), NOW + 300 * SECOND);
    assert_eq!(time.off_ms(), None);
    // and the next one begins anew
    machine.jump(600 * SECOND);
    assert_eq!(time.now_ms(), NOW + 300 * SECOND);
    machine.pass(400 * SECOND);
    assert_eq!(time.now_ms(), NOW + 700 * SECOND);
    assert!(time.off_ms().is_some());
}

#[test]
fn h9_many_small_steps_are_a_jump() {
    let (machine, time) = new();
    for _ in 0..20 {
        machine.pass(SECOND);
        machine.jump(30 * SECOND);
        time.now_ms();
    }
    assert!(time.now_ms() <= NOW + 20 * SECOND + STEP_MS);
    assert!(time.off_ms().is_some());
}

#[test]
fn h9_an_operator_is_believed_at_once() {
    let (machine, time) = new();
    machine.jump(600 * SECOND);
    assert_eq!(time.keep(0).unwrap().seen_ms, NOW);
    assert_eq!(time.keep(1).unwrap().seen_ms, NOW + 600 * SECOND);
    assert_eq!(time.now_ms(), NOW + 600 * SECOND);
    // once
    machine.jump(600 * SECOND);
    assert_eq!(time.keep(1).unwrap().seen_ms, NOW + 600 * SECOND);
}

#[test]
fn h9_a_start_that_contradicts_what_was_kept_changes_nothing() {
    let (machine, time) = new();
    let kept = || time.keep(0);
    let kept = kept();
    // while the machine runs, it is known how long the node was away
    machine.pass(50 * SECOND);
    for jump in [600, -600] {
        machine.jump(jump * SECOND);
        let again = on(&machine, kept.clone());
        assert_eq!(again.now_ms(), NOW + 50 * SECOND);
        assert_eq!(again.off_ms(), Some(jump * SECOND));
        machine.jump(-jump * SECOND);
    }
    // after another start of it only that it is later
    let later = Machine::at(NOW + 86_400 * SECOND, 100, "another");
    assert_eq!(on(&later, kept.clone()).now_ms(), NOW + 86_400 * SECOND);
    let earlier = Machine::at(NOW - 600 * SECOND, 100, "another");
    let again = on(&earlier, kept);
    assert_eq!(again.now_ms(), NOW);
    assert_eq!(again.off_ms(), Some(-600 * SECOND));
}

#[test]
fn h9_a_time_forgets_by_nothing_that_has_not_held() {
    let (machine, time) = new();
    // where there is nothing yet to forget, the first time is believed
    assert_eq!((time.soon_ms(), time.late_ms()), (Some(NOW), Some(NOW)));
    let kept = time.keep(0);
    let far = 1000 * 86_400 * SECOND;
    let ahead = Machine::at(NOW + far, 100, "another");
    let time = on(&ahead, kept);
    assert_eq!(time.now_ms(), NOW + far);
    assert_eq!((time.soon_ms(), time.late_ms()), (Some(NOW), Some(NOW)));
    ahead.pass(LASTS_MS - SECOND);
    assert_eq!(time.soon_ms(), Some(NOW + LASTS_MS - SECOND));
    // a process that starts meanwhile knows it
    let time = on(&ahead, time.keep(0));
    assert_eq!(time.soon_ms(), Some(NOW + LASTS_MS - SECOND));
    ahead.pass(SECOND);
    assert_eq!(time.soon_ms(), Some(NOW + far + LASTS_MS));
    assert_eq!(time.late_ms(), Some(NOW + LASTS_MS));
    ahead.pass(LASTS_LONG_MS - LASTS_MS);
    assert_eq!(time.late_ms(), Some(time.now_ms()));
    drop(machine);
}

#[test]
fn h9_a_time_that_is_contradicted_does_not_hold() {
    let (_, time) = new();
    let far = 1000 * 86_400 * SECOND;
    let ahead = Machine::at(NOW + far, 100, "another");
    let time = on(&ahead, time.keep(0));
    ahead.pass(LASTS_MS / 2);
    ahead.jump(-far);
    for _ in 0..9 {
        assert_eq!(time.soon_ms(), Some(NOW + ahead.steady_ms().unwrap() - 100));
        ahead.pass(SECOND * 60);
    }
    // nor when it is not contradicted any more
    ahead.jump(far);
    let passed = ahead.steady_ms().unwrap() - 100;
    assert_eq!(time.soon_ms(), Some(NOW + passed));
    assert_eq!(time.off_ms(), None);
    ahead.pass(LASTS_MS);
    assert_eq!(time.soon_ms(), Some(time.now_ms()));
    // a jump that is followed begins anew, and one back never takes what was sure with it
    ahead.jump(-far);
    time.now_ms();
    ahead.pass(LASTS_MS);
    assert_eq!(time.now_ms(), ahead.now_ms());
    assert_eq!(time.soon_ms(), Some(ahead.now_ms()));
    ahead.jump(far);
    time.now_ms();
    ahead.pass(LASTS_MS);
    assert_eq!(time.now_ms(), ahead.now_ms());
    assert_eq!(time.soon_ms(), Some(ahead.now_ms() - far));
}
