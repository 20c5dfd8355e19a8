//! The conformance suite of the store: one list of cases, held against every
//! backend, and against every fault that a commit can suffer.
//!
//! A case takes a [`Fixture`] and knows no backend. Cases that only one
//! backend can have (its directory, its journal) stand in a file of their own.

mod ambiguity;
mod chaining;
mod committing;
mod embedded;
pub mod fixture;
mod querying;
mod racing;
mod reading;
mod rewriting;

use fixture::Fixture;

/// Runs every case against every backend.
macro_rules! conformance {
    ($($group:ident: $($case:ident)+;)+) => {
        conformance! { @backend memory [$($group: $($case)+;)+] }
        conformance! { @backend embedded_in_a_directory [$($group: $($case)+;)+] }
        conformance! { @backend dynamodb [$($group: $($case)+;)+] }
        conformance! { @backend faulty_memory [$($group: $($case)+;)+] }
        conformance! { @backend faulty_embedded [$($group: $($case)+;)+] }
        conformance! { @backend faulty_dynamodb [$($group: $($case)+;)+] }
    };
    (@backend $backend:ident [$($group:ident: $($case:ident)+;)+]) => {
        mod $backend {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    super::$group::$case(super::Fixture::$backend().await).await;
                }
            )+)+
        }
    };
}

conformance! {
    reading:
        what_was_committed_is_read
        rows_come_in_the_order_asked_for
        no_keys_no_rows
        hundreds_of_rows_are_read_in_portions
        keys_no_backend_could_hold_are_refused
        a_backend_that_works_answers_a_ping
        a_store_is_the_same_each_time;
    committing:
        a_new_row_needs_an_absent_one
        a_changed_row_needs_its_version
        versions_count_up
        all_writes_happen_or_none
        a_stale_commit_returns_the_old_rows
        the_same_transaction_again_changes_nothing
        an_event_alone_is_a_transaction
        the_largest_transaction_is_applied
        transactions_beyond_the_limits_are_refused
        rows_past_their_purge_date_are_still_there;
    chaining:
        events_leave_the_outbox_with_the_segment
        an_event_is_chained_once
        whatever_is_put_while_others_are_taken_is_found
        of_many_who_chain_one_gets_each_event
        what_is_sent_again_after_its_event_was_chained_changes_nothing;
    querying:
        pages_in_both_directions
        beginnings_and_positions_meet
        neighbours_never_mix
        sort_keys_are_ordered_by_their_bytes
        more_than_a_thousand_rows
        more_than_a_megabyte;
    racing:
        one_of_many_claims_wins
        a_counter_loses_no_increment
        a_limit_counts_every_addition_once
        rows_written_together_are_seen_together;
    rewriting:
        a_scan_comes_to_every_row_once
        another_body_leaves_everything_else_as_it_was;
}
