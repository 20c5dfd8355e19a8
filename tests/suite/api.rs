//! The promises of the broker, held against the whole of it over real sockets.
//!
//! A file is named after the promise it holds. Cases that must hold wherever
//! state and bytes are kept run against each backend, by the table below; cases
//! about time and faults run on a broker whose clock and store obey the test.

mod calls;
pub mod deeds;
pub mod harness;
pub mod laboratory;
pub mod streaming;

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

mod adoption;
mod asked_of_the_store;
mod bad_input;
mod browser_defences;
mod checkpoints;
mod client_details;
mod console;
mod cross_origin;
mod data_subjects;
mod doctored;
mod event_sockets;
mod event_streams;
mod explanations;
mod exports;
mod fail_closed;
mod field_pointers;
mod filters;
mod headers;
mod held_bodies;
mod history;
mod idempotency;
mod idempotency_in_doubt;
mod inventory;
mod last_used;
mod ledger;
mod ledger_crashes;
mod ledger_index;
mod limits;
mod lists;
mod looking;
mod moves;
mod moves_in_doubt;
mod narrowing;
mod never_in_the_clear;
mod never_wider;
mod not_forever;
mod once;
mod once_in_doubt;
mod one_answer;
mod personal;
mod principals;
mod receiver;
mod recipients;
mod recorded;
mod redemptions_proven;
mod removal;
mod request_figures;
mod restrictions;
mod rotation;
mod sealing;
mod set_back;
mod smoke;
mod tenants_apart;
mod vouched;
mod webhook_deliveries;
mod webhooks;

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
    browser_defences:
        every_route_of_the_api_defends_every_answer,
        the_other_listeners_defend_every_answer,
        what_is_no_request_is_refused_with_nothing_to_show,
        a_host_is_named_once_and_exactly,
        no_route_is_changed_by_a_page_that_is_not_ours,
        cookies_that_a_sibling_sets_sign_nobody_in;
    cross_origin:
        pages_of_origins_that_a_tenant_names_use_it_by_script,
        no_cookie_and_no_route_without_a_key_is_open_to_them,
        administrators_name_the_origins_of_their_own_tenant;
    limits:
        a_tenants_limit_holds_on_all_replicas_together;
    idempotency:
        what_was_created_is_answered_again_and_not_created_again,
        every_route_that_creates_takes_a_key,
        a_new_secret_a_user_and_an_impersonation_are_made_once,
        of_many_who_ask_at_once_all_get_what_one_of_them_created,
        of_two_requests_under_one_key_one_is_carried_out,
        a_key_is_its_principals_own,
        a_credential_that_ended_gets_nothing_again,
        a_key_is_one_short_visible_word,
        the_order_of_fields_is_of_no_account,
        a_refusal_is_not_kept,
        of_a_batch_what_was_refused_is_tried_again,
        what_a_batch_did_is_found_by_a_shorter_one;
    field_pointers:
        every_field_that_is_refused_is_named;
    filters:
        metadata_is_kept_with_what_it_was_given_to,
        recipients_see_no_metadata,
        a_list_has_what_its_filter_takes_and_nothing_else,
        links_and_file_requests_are_filtered_too,
        what_is_no_filter_is_refused_by_its_name,
        what_a_filter_takes_is_revoked_and_nothing_else,
        links_are_revoked_by_a_filter_too;
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
    narrowing:
        what_is_said_about_it_changes_freely,
        nothing_becomes_wider,
        what_has_ended_changes_no_more,
        as_many_as_have_claimed_it_are_enough,
        once_a_change_is_answered_nobody_claims_beyond_it,
        a_narrowed_link_takes_no_more_than_it_then_may;
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
    restrictions:
        a_message_is_the_senders_own_and_goes_to_recipients,
        of_many_claimants_as_many_win_as_were_asked_for,
        each_of_several_claimants_has_a_session_of_their_own,
        networks_are_kept_in_one_spelling,
        of_many_who_open_a_link_as_many_win_as_were_asked_for;
    data_subjects:
        an_export_tells_all_that_is_kept_of_somebody_and_nothing_of_others,
        whoever_is_erased_is_gone_and_nobody_gets_more_by_it,
        a_user_is_erased_by_either_name_and_what_they_made_lives_on_where_that_is_wanted,
        what_is_no_request_about_somebody_is_refused,
        whoever_tests_reaches_nobody_who_is_live,
        a_corrected_address_takes_the_place_of_the_other_and_nobody_gains,
        a_tenant_takes_all_it_has_along_in_pages_of_any_size,
        why_an_address_is_kept_is_told_to_its_owner_alone_and_decides_nothing;
    recipients:
        a_recipient_redeems_with_a_code_from_their_mail_and_comes_back_without,
        each_recipient_claims_once_and_nobody_instead_of_another,
        one_code_is_used_once_by_however_many_at_once,
        nobody_is_told_who_is_a_recipient,
        a_dead_token_sends_nothing_and_gets_the_one_answer,
        recipients_are_addresses_each_once_and_no_fewer_than_redemptions,
        who_is_no_recipient_any_more_is_cut_off,
        what_was_for_everybody_may_be_for_some,
        a_session_of_a_recipient_moves_without_a_code;
    recorded:
        the_life_of_a_share_is_told_event_by_event,
        every_act_has_one_event;
    ledger:
        what_happens_is_chained_within_a_second_though_nobody_asks,
        every_record_has_its_place_and_follows_the_one_before,
        every_namespace_has_a_ledger_of_its_own;
    ledger_index:
        a_search_of_a_long_ledger_finds_all_there_is_and_nothing_else,
        pages_lose_and_double_nothing_while_others_append;
    checkpoints:
        a_checkpoint_is_a_note_that_openssl_verifies;
    redemptions_proven:
        each_redemption_has_its_record,
        what_is_redeemed_meanwhile_is_no_contradiction;
    event_streams:
        events_are_listed_oldest_first_from_a_number_on,
        what_happens_is_told_while_it_happens_and_nothing_twice,
        nobody_hears_of_what_is_another_tenants;
    event_sockets:
        a_ticket_opens_one_socket_and_is_told_of,
        of_many_who_present_a_ticket_one_is_let_in;
    explanations:
        what_is_foreseen_is_what_happens;
    exports:
        an_export_is_verified_by_openssl_alone;
    webhooks:
        what_happens_arrives_signed_within_moments,
        a_webhook_is_tried_out_changed_and_removed;
    client_details:
        it_is_told_who_asked,
        the_trail_is_searched;
    principals:
        a_viewer_looks_and_makes_nothing,
        a_role_goes_with_its_grants,
        what_is_taken_from_a_key_is_taken_from_what_it_minted_at_once,
        a_key_is_renamed_and_ended_in_time,
        revoking_a_key_cuts_what_it_minted_unless_told_otherwise,
        cutting_a_key_off_ends_what_it_minted_and_not_the_key,
        users_are_let_in_once_and_again_when_they_were_removed,
        a_suspended_tenant_does_nothing_until_it_is_resumed,
        a_tenant_that_is_cut_off_begins_again,
        operators_act_for_a_tenant_before_its_eyes_or_not_at_all,
        nobody_takes_over_an_operator;
    removal:
        a_deletion_waits_and_can_be_called_off,
        what_is_no_deletion_is_refused;
    last_used:
        a_listing_says_when_somebody_last_called;
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
