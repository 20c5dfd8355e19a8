//! The promises of the broker, held against the whole of it over real sockets.
//!
//! A file is named after the promise it holds. Cases that must hold wherever
//! state and bytes are kept run against each backend, by the table below; cases
//! about time and faults run on a broker whose clock and store obey the test.

mod calls;
mod deeds;
pub mod harness;
pub mod laboratory;

/// Every case against every backend, each as a test of its own.
macro_rules! on_every_backend {
    ($($file:ident: $($case:ident),+ $(,)?;)+) => {
        on_every_backend!(@ embedded Embedded, $($file: $($case),+;)+);
        on_every_backend!(@ aws Aws, $($file: $($case),+;)+);
    };
    (@ $name:ident $backend:ident, $($file:ident: $($case:ident),+;)+) => {
        mod $name {
            $(mod $file {
                $(#[test]
                fn $case() {
                    use super::super::{$file, harness::{Api, Backend}};
                    $file::$case(&Api::start(Backend::$backend));
                })+
            })+
        }
    };
}

mod bad_input;
mod console;
mod doctored;
mod fail_closed;
mod headers;
mod held_bodies;
mod history;
mod limits;
mod lists;
mod looking;
mod moves;
mod moves_in_doubt;
mod never_in_the_clear;
mod never_wider;
mod not_forever;
mod once;
mod once_in_doubt;
mod one_answer;
mod recorded;
mod smoke;
mod tenants_apart;

on_every_backend! {
    smoke:
        a_share_is_minted_redeemed_and_used;
    once:
        of_many_claimants_one_wins_and_the_others_get_one_answer,
        one_claimant_asking_many_times_at_once_gets_one_session,
        the_second_claimant_is_refused_and_the_first_comes_back,
        a_share_that_is_claimed_while_it_is_revoked_ends_revoked;
    headers:
        every_answer_is_guarded,
        who_looks_at_a_refusal_reads_a_page,
        a_request_id_is_drawn_and_not_taken_over,
        a_session_cookie_is_kept_from_scripts_and_other_sites;
    limits:
        a_tenants_limit_holds_on_all_replicas_together;
    lists:
        pages_of_any_size_make_the_same_list,
        a_narrow_key_pages_through_its_own,
        a_cursor_goes_on_with_its_own_list_alone,
        a_page_has_1_to_1000_items;
    looking:
        getting_claims_nothing,
        previewing_claims_nothing,
        other_methods_claim_nothing;
    moves:
        a_session_moves_once_and_ends_where_it_was,
        of_many_movers_one_wins_and_the_others_get_one_answer,
        one_mover_asking_many_times_at_once_gets_one_session,
        whoever_has_it_comes_back_and_moves_on,
        a_credential_alone_does_not_become_the_claim,
        an_offer_that_nobody_follows_changes_nothing,
        what_ends_a_share_ends_the_offer_and_what_came_of_it,
        a_move_token_moves_and_does_nothing_else,
        each_step_is_recorded;
    never_wider:
        a_file_is_no_prefix,
        a_folder_ends_at_its_slash,
        a_read_session_writes_nothing,
        a_write_session_stays_within_its_pins,
        a_credential_works_on_its_own_routes_only,
        admin_cannot_be_shared,
        nobody_shares_more_than_they_have,
        what_a_key_minted_ends_with_the_key,
        a_revoked_share_ends_its_session,
        an_owner_sees_what_a_recipient_would;
    recorded:
        the_life_of_a_share_is_told_event_by_event,
        every_act_has_one_event;
    console:
        signing_in_tells_who_and_what_is_offered,
        every_key_that_is_not_accepted_gets_one_answer,
        what_is_done_in_the_console_is_done_by_the_key_and_told_so,
        every_thing_says_who_made_it,
        nothing_is_changed_without_the_token_against_forgery,
        a_key_counts_more_than_a_cookie,
        signing_out_ends_it_on_the_server,
        a_revoked_key_ends_its_sessions,
        other_sites_are_refused,
        a_session_sees_the_namespace_of_its_key,
        a_preview_knows_its_maker_by_the_console,
        what_is_offered_is_what_is_done,
        a_code_is_drawn_for_who_is_known_and_nobody_else;
    history:
        a_share_has_the_history_of_all_that_came_of_it,
        a_link_and_a_file_request_have_theirs,
        a_history_is_for_who_may_inspect_the_thing,
        the_audit_trail_tells_everything_newest_first,
        the_audit_trail_is_for_who_administers_and_of_their_own;
    tenants_apart:
        nobody_reaches_what_is_another_tenants,
        lists_show_ones_own_alone,
        one_path_is_another_file_in_every_namespace,
        a_session_reaches_its_own_uploads_alone,
        a_narrow_key_reaches_no_upload_outside_its_paths,
        a_key_that_reads_cancels_and_completes_nothing,
        a_test_key_makes_nothing_live;
}
