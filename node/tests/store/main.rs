//! What every store does, held to each one that there is.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may stop at once

mod admissions;
mod blobs;
mod common;
mod delegations;
mod forgetting;
mod hosting;
mod keys;
mod lists;
mod migrated;
mod quotas;
mod races;
mod tickets;
#[allow(dead_code)]
#[path = "../chains/tokens.rs"]
mod tokens;
mod values;

/// Runs parts of the suite, each on a store of its own.
macro_rules! holds {
    ($($part:ident::$name:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let dir = tempfile::tempdir().unwrap();
                $part::$name(&common::open(dir.path())).await;
            }
        )*
    };
}

holds! {
    admissions::h3_an_invocation_is_used_once,
    admissions::h3_a_change_uses_its_invocation_once,
    admissions::h3_a_reading_uses_its_invocation_once,
    admissions::g5_nothing_is_admitted_on_what_was_revoked,
    admissions::h3_an_invocation_is_forgotten_only_past_its_time,
    admissions::h3_a_delegation_is_used_up_as_an_invocation,
    admissions::h7_what_could_not_be_written_is_not_begun,
    blobs::a_blob_that_became_a_value_is_never_claimed,
    blobs::a_claimed_blob_never_becomes_a_value,
    blobs::a_blob_that_nobody_removed_is_given_out_again,
    blobs::blobs_that_cannot_be_removed_do_not_stop_the_others,
    blobs::what_became_a_value_is_not_discarded,
    delegations::a_delegation_is_kept_once,
    delegations::a_delegation_is_activated_once_its_space_is_hosted,
    delegations::g5_nothing_is_accepted_on_what_was_revoked,
    delegations::revoking_twice_changes_nothing,
    delegations::h10_spellings_of_one_statement_are_one_delegation,
    delegations::h10_delegations_count_for_their_space,
    delegations::g5_nothing_is_revoked_on_what_was_revoked,
    hosting::a_space_is_hosted_once,
    hosting::spaces_are_listed_for_their_owner_alone,
    keys::keys_are_listed_by_prefix_in_their_bytes_order,
    keys::pages_have_no_gap_and_no_repetition,
    keys::keys_at_or_below_one_are_no_others,
    keys::a_page_begins_behind_any_key,
    lists::delegations_are_listed_newest_first_and_page_by_page,
    lists::a_delegation_to_oneself_is_listed_once,
    lists::owners_see_what_is_granted_of_theirs,
    lists::a_list_is_narrowed_to_a_space,
    lists::a_space_lists_its_delegations_in_the_order_of_acceptance,
    lists::a_list_goes_on_only_behind_what_is_in_it,
    lists::h10_a_page_ends_however_little_of_what_is_looked_at_is_wanted,
    lists::h8_a_page_of_large_tokens_is_short,
    quotas::usage_is_what_is_held,
    quotas::a_full_space_takes_nothing_and_a_smaller_value_always,
    quotas::a_batch_is_counted_together,
    quotas::a_bound_that_was_set_comes_before_the_default,
    quotas::usages_are_listed_page_by_page,
    quotas::h10_what_is_being_received_counts,
    quotas::h10_keys_and_headers_count,
    quotas::h10_databases_at_once_share_the_room,
    quotas::h10_exports_under_way_are_bounded,
    quotas::h7_what_all_receive_is_bounded,
    tickets::a_ticket_is_found_by_its_hash,
    tickets::a_ticket_is_forgotten_only_past_its_time,
    tickets::h10_tickets_in_one_name_are_bounded,
    tickets::h10_those_who_share_leave_the_owner_half_of_the_tickets,
    values::h3_conditions_hold_or_nothing_changes,
    values::a_write_happens_whole_or_not_at_all,
    values::values_are_kept_as_they_were_given,
    values::a_space_holds_its_own_values_only,
    values::what_is_not_hosted_holds_nothing,
}

/// Runs parts of the suite that set the clock, each on a store of its own.
macro_rules! holds_at {
    ($($part:ident::$name:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let (dir, clock) = (tempfile::tempdir().unwrap(), common::Fixed::new());
                $part::$name(&common::open_at(dir.path(), &clock), &clock).await;
            }
        )*
    };
}

holds_at! {
    admissions::h9_what_has_ended_is_used_no_more,
    admissions::h9_a_write_that_was_begun_is_held_to_its_chain,
    blobs::the_blob_of_an_overwritten_value_is_claimed_after_its_time,
    blobs::h7_a_blob_that_is_renewed_is_not_claimed,
}

/// Runs parts of the suite for two stores that share what they keep.
macro_rules! holds_for_two {
    ($($name:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                let dir = tempfile::tempdir().unwrap();
                let (one, other) = (common::open(dir.path()), common::open(dir.path()));
                races::$name(&[&one, &other]).await;
            }
        )*
    };
}

holds_for_two! {
    h3_of_many_at_once_one_uses_an_invocation,
    h3_of_many_at_once_one_creates_a_value,
    h3_changes_on_one_condition_are_never_lost,
    g5_what_one_revokes_the_other_does_not_admit,
    quotas_hold_for_many_at_once,
    a_blob_becomes_a_value_or_is_claimed,
    a_space_is_hosted_by_one_of_many,
}
