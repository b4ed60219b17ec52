use super::*;

const NOW: u64 = 1_000_000_000_000;
const OWN: Hash32 = Hash32([9; 32]);

fn upgrade(number: u8) -> Upgrade {
    Upgrade {
        release: "2.0.0".to_owned(),
        epoch: 2,
        manifest: Hash32([number; 32]),
        noted_by: OWN,
        announced_at: NOW,
        not_before: NOW,
        not_after: NOW + 1_000,
    }
}

fn withdrawal(number: u8, operator: u32) -> Withdrawal {
    Withdrawal {
        manifest: Hash32([number; 32]),
        operator,
    }
}

fn record(numbers: impl IntoIterator<Item = u8>) -> Successors {
    Successors {
        announced: numbers.into_iter().map(upgrade).collect(),
        withdrawn: Vec::new(),
    }
}

#[test]
fn e8_a_full_list_refuses_the_next_and_drops_none() {
    let mut list = record([]);
    let bound = u8::try_from(MAX_PENDING).unwrap();
    for number in 20..20 + bound {
        assert_eq!(list.announce(upgrade(number), NOW), Ok(()));
    }
    let full = list.clone();
    assert_eq!(list.announce(upgrade(99), NOW), Err(Full));
    assert_eq!(list, full);
    // A withdrawn one makes room, and stays known.
    list.withdraw(&[withdrawal(20, 0)]);
    assert_eq!(list.announce(upgrade(99), NOW), Ok(()));
    assert!(list.find(&Hash32([20; 32]), &OWN).is_some());
    // Up to the bound of all.
    for number in 100..200 {
        list.withdraw(&[withdrawal(number - 1, 0)]);
        if list.announce(upgrade(number), NOW) == Err(Full) {
            break;
        }
    }
    assert_eq!(list.announced.len(), MAX_ANNOUNCED);
    assert!(list.find(&Hash32([20; 32]), &OWN).is_some());
}

#[test]
fn e8_only_expired_manifests_are_dropped() {
    let mut list = record([20, 21]);
    list.announced[1].not_after = NOW * 2;
    list.withdraw(&[withdrawal(20, 0), withdrawal(21, 0), withdrawal(22, 0)]);
    let before = list.clone();
    list.drop_expired(NOW + 1_000 + KEPT_AFTER);
    assert_eq!(list, before);
    list.drop_expired(NOW + 1_001 + KEPT_AFTER);
    assert_eq!(list.announced, before.announced[1..]);
    assert_eq!(list.withdrawn, before.withdrawn[1..]);
}

/// A consent takes room for as long as its manifest is in the record.
#[test]
fn e8_consents_to_what_the_record_no_longer_has_are_forgotten() {
    let mut known = Known::default();
    known.see(&record([20, 21]), NOW).unwrap();
    for number in [20, 21] {
        known.consent(&upgrade(number), 3);
    }
    known.see(&record([20, 21]), NOW).unwrap();
    assert_eq!(known.consents(&Hash32([20; 32])), [3]);
    known.see(&record([21]), NOW + 1_001).unwrap();
    assert!(known.consents(&Hash32([20; 32])).is_empty());
    assert_eq!(known.consents(&Hash32([21; 32])), [3]);
}

#[test]
fn e8_a_record_without_what_was_seen_is_hidden() {
    let mut known = Known::default();
    known.see(&record([20, 21]), NOW).unwrap();
    assert_eq!(known.see(&record([20]), NOW), Err(Hidden));
    assert_eq!(known.see(&record([]), NOW), Err(Hidden));
    let mut changed = record([20, 21]);
    changed.announced[0].announced_at = 0;
    assert_eq!(known.see(&changed, NOW), Err(Hidden));
    known.see(&record([22, 21, 20]), NOW).unwrap();
    // A withdrawal does not disappear either.
    let mut withdrawn = record([20, 21, 22]);
    withdrawn.withdraw(&[withdrawal(20, 0), withdrawal(50, 0)]);
    known.see(&withdrawn, NOW).unwrap();
    assert_eq!(known.see(&record([20, 21, 22]), NOW), Err(Hidden));
    assert!(known.is_withdrawn(&Hash32([20; 32])));
    // After the manifests have expired only the one that was never announced has a meaning.
    assert_eq!(known.see(&record([]), NOW + 1_001), Err(Hidden));
    let mut rest = record([]);
    rest.withdraw(&[withdrawal(50, 0)]);
    known.see(&rest, NOW + 1_001).unwrap();
}

#[test]
fn e8_a_withdrawal_holds_before_any_record_has_it() {
    let mut known = Known::default();
    known.see(&record([20]), NOW).unwrap();
    known.consent(&upgrade(20), 1);
    known.withdraw(withdrawal(20, 0)).unwrap();
    assert!(known.is_withdrawn(&Hash32([20; 32])));
    // Others are told once the record has it: after a restart the successor would wait again.
    assert_eq!(known.pending(&OWN, NOW).count(), 1);
    assert_eq!(known.withdrawn().count(), 0);
    // Records without it are accepted, since it may not have been written, and change nothing.
    known.see(&record([20]), NOW).unwrap();
    assert!(known.is_withdrawn(&Hash32([20; 32])));
    assert_eq!(known.unsaved(), [withdrawal(20, 0)]);
    let mut saved = record([20]);
    saved.withdraw(known.unsaved());
    known.see(&saved, NOW).unwrap();
    assert!(known.unsaved().is_empty());
    assert!(known.is_withdrawn(&Hash32([20; 32])));
    assert_eq!(known.pending(&OWN, NOW).count(), 0);
    assert_eq!(known.withdrawn().collect::<Vec<_>>(), [Hash32([20; 32])]);
}

#[test]
fn e8_the_root_key_leaves_for_no_withdrawn_manifest_and_for_no_equal_after_a_successor() {
    let mut known = Known::default();
    known.see(&record([20, 21, 22]), NOW).unwrap();
    let (one, other, third) = (Hash32([20; 32]), Hash32([21; 32]), Hash32([22; 32]));
    assert_eq!(known.let_go(None), Ok(()));
    known.withdraw(withdrawal(20, 0)).unwrap();
    assert_eq!(known.let_go(Some(&one)), Err(TooLate::Withdrawn));
    assert!(!known.is_superseded());
    assert_eq!(known.let_go(Some(&other)), Ok(()));
    assert!(known.is_superseded());
    // Another replica of the successor gets it as well; another enclave of this image and another
    // successor do not, and change nothing.
    assert_eq!(known.let_go(Some(&other)), Ok(()));
    for late in [None, Some(&third), Some(&one)] {
        assert_eq!(known.let_go(late), Err(TooLate::Superseded));
        assert!(known.is_superseded());
    }
    assert_eq!(known.let_go(Some(&other)), Ok(()));
    known.withdraw(withdrawal(21, 0)).unwrap();
    assert_eq!(known.let_go(Some(&other)), Err(TooLate::Withdrawn));
}

#[test]
fn m6_early_withdrawals_are_bounded_for_each_operator() {
    let mut known = Known::default();
    known.see(&record([200]), NOW).unwrap();
    let bound = u8::try_from(MAX_WITHDRAWN_EARLY).unwrap();
    for number in 0..bound {
        known.withdraw(withdrawal(number, 0)).unwrap();
    }
    assert_eq!(known.withdraw(withdrawal(bound, 0)), Err(Full));
    known.withdraw(withdrawal(0, 0)).unwrap();
    // Another operator has room of their own, and what is announced can always be withdrawn.
    known.withdraw(withdrawal(bound, 1)).unwrap();
    known.withdraw(withdrawal(200, 0)).unwrap();
    assert_eq!(known.unsaved().len(), usize::from(bound) + 2);
}

#[test]
fn m6_withdrawals_at_many_boots_do_not_outgrow_the_record() {
    let bound = u8::try_from(MAX_WITHDRAWN_EARLY).unwrap();
    let mut list = record([200]);
    let first: Vec<_> = (0..bound).map(|number| withdrawal(number, 0)).collect();
    list.withdraw(&first);
    // Another boot that the store showed nothing took as many, of other manifests.
    let mut known = Known::default();
    for number in 100..100 + bound {
        known.withdraw(withdrawal(number, 0)).unwrap();
    }
    known.see(&list, NOW).unwrap();
    known.withdraw(withdrawal(200, 0)).unwrap();
    list.withdraw(known.unsaved());
    assert_eq!(list.withdrawn.len(), usize::from(bound) + 1);
    assert!(list.is_withdrawn(&Hash32([200; 32])));
    // The first ones are all there, and that boot forgets none of its own.
    assert_eq!(list.withdrawn[..first.len()], first);
    known.see(&list, NOW).unwrap();
    assert_eq!(known.unsaved().len(), usize::from(bound));
    assert!(known.is_withdrawn(&Hash32([100; 32])));
}

#[test]
fn e8_what_another_image_noted_neither_waits_nor_takes_room() {
    let other = Hash32([8; 32]);
    let mut list = record([]);
    for number in 0..u8::try_from(MAX_ANNOUNCED).unwrap() {
        list.announced.push(Upgrade {
            noted_by: other,
            ..upgrade(number)
        });
    }
    let mut known = Known::default();
    known.see(&list, NOW).unwrap();
    assert_eq!(known.pending(&OWN, NOW).count(), 0);
    assert_eq!(known.find(&Hash32([1; 32]), &OWN), None);
    // The same manifest is announced here, with a time of its own, and room for it.
    let later = Upgrade {
        announced_at: NOW + 1,
        ..upgrade(1)
    };
    assert_eq!(list.announce(later.clone(), NOW), Ok(()));
    assert_eq!(list.find(&Hash32([1; 32]), &OWN), Some(&later));
    let first = list.find(&Hash32([1; 32]), &other).unwrap();
    assert_eq!(first.announced_at, NOW);
    known.see(&list, NOW).unwrap();
    assert_eq!(known.pending(&OWN, NOW).count(), 1);
    // A withdrawal is for all of them.
    list.withdraw(&[withdrawal(1, 0)]);
    assert_eq!(list.pending(&OWN, NOW).count(), 0);
    assert_eq!(list.pending(&other, NOW).count(), MAX_ANNOUNCED - 1);
}

#[test]
fn e8_all_that_was_noted_waits_until_it_expires() {
    let mut known = Known::default();
    let mut list = record([9, 20, 21, 22]);
    list.announced[1].epoch = 1;
    list.announced[2].not_after = NOW - 1;
    known.see(&list, NOW).unwrap();
    let waiting: Vec<_> = known
        .pending(&OWN, NOW)
        .map(|it| it.manifest.0[0])
        .collect();
    assert_eq!(waiting, [9, 20, 22]);
}

#[test]
fn m6_a_withdrawal_that_no_record_has_takes_no_other_operators_room() {
    let mut known = Known::default();
    let bound = u8::try_from(MAX_WITHDRAWN_EARLY).unwrap();
    let mut saved = Successors::default();
    saved.withdraw(
        &(0..bound)
            .map(|number| withdrawal(number, 0))
            .collect::<Vec<_>>(),
    );
    // The store hides the record of this operator's withdrawals for as long as this one arrives.
    known.withdraw(withdrawal(99, 0)).unwrap();
    known.see(&saved, NOW).unwrap();
    // Another operator withdraws the same manifest, and has room for it in the record.
    known.withdraw(withdrawal(99, 1)).unwrap();
    known.withdraw(withdrawal(99, 1)).unwrap();
    assert_eq!(known.unsaved(), [withdrawal(99, 0), withdrawal(99, 1)]);
    saved.withdraw(known.unsaved());
    assert!(saved.is_withdrawn(&Hash32([99; 32])));
    known.see(&saved, NOW).unwrap();
    assert!(known.unsaved().is_empty());
}
