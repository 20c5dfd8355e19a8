//! What leaves the broker and what comes in: links, artifacts and the edge,
//! uploads, held to their promises over real sockets.
//!
//! A file is named after the promise it holds. Cases that must hold wherever
//! state and bytes are kept run against each backend, by the table below; cases
//! about time, faults and what lies on disk set up a broker of their own.

pub mod words;

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
                    use crate::{api::harness::{Api, Backend}, delivery::$file};
                    $file::$case(&Api::start(Backend::$backend));
                })+
            })+
        }
    };
}

mod admission;
mod archives;
mod artifacts;
mod away;
mod batches;
mod browsing;
mod completion;
mod contracts;
mod edge_cookies;
mod file_requests;
mod handoff;
mod links;
mod links_in_doubt;
mod multipart;
mod passwords;
mod quotas;
mod reconciling;
mod replays;
mod storage_faults;
mod store_faults;
mod sweeping;
mod upload_rights;
mod withheld;

on_every_backend! {
    admission:
        only_the_cookies_of_this_host_open_it,
        a_deleted_artifact_is_refused_at_once,
        what_a_revoked_key_published_is_refused_at_once,
        a_revoked_link_gives_no_new_code,
        the_api_and_the_artifacts_never_share_a_host;
    archives:
        files_come_as_one_zip_that_other_programs_read,
        a_session_packs_what_it_reaches_and_nothing_else,
        the_own_page_alone_saves_an_archive_by_a_form,
        what_cannot_be_packed_is_refused,
        what_was_deleted_meanwhile_is_named,
        more_files_than_a_page_come_once_each;
    artifacts:
        a_snapshot_is_untouched_by_what_happens_to_the_vault,
        files_and_folders_are_published_under_their_names,
        what_cannot_be_published_is_refused,
        an_artifact_is_its_publishers;
    browsing:
        files_come_with_their_types,
        a_folder_shows_its_index,
        head_tells_and_sends_nothing,
        a_part_is_sent,
        what_is_known_is_not_sent_again,
        no_path_leads_elsewhere,
        nothing_is_changed_here;
    completion:
        a_put_becomes_a_file,
        a_form_becomes_a_file,
        completing_twice_gives_one_result,
        of_many_who_complete_at_once_all_get_one_result,
        nothing_has_arrived_yet,
        of_two_uploads_for_one_path_one_wins,
        a_file_is_replaced_only_on_request,
        a_test_keys_file_is_not_in_the_live_vault;
    contracts:
        storage_refuses_what_was_not_declared,
        storage_refuses_forms_that_were_not_declared,
        what_arrived_otherwise_is_rejected,
        sizes_over_a_cap_are_refused,
        what_is_no_upload_is_refused,
        the_inbox_is_named_in_the_signed_request_only;
    batches:
        every_declaration_has_its_own_result,
        a_batch_has_1_to_100_items,
        a_session_downloads_what_it_reaches;
    file_requests:
        each_delivers_into_a_folder_of_their_own,
        whoever_delivers_sees_nothing,
        no_path_leads_out_and_nothing_is_replaced,
        caps_hold_for_all_who_deliver_together,
        the_least_of_all_limits_on_a_file_is_told,
        a_closed_request_takes_nothing_more,
        a_password_is_asked_for_once,
        a_request_is_its_makers,
        what_must_not_leave_a_machine_is_neither_asked_for_nor_delivered,
        what_opens_nothing_gets_one_answer;
    handoff:
        a_code_is_exchanged_once,
        of_many_exchanges_one_succeeds,
        a_code_is_for_its_own_host,
        a_tampered_code_is_refused,
        cookies_are_the_hosts_own;
    links:
        a_link_lives_seven_days_by_default_and_at_most,
        a_link_is_minted_redeemed_and_opened,
        of_many_redeemers_one_wins,
        the_same_claim_key_gets_a_fresh_code,
        looking_claims_nothing,
        dead_links_give_one_answer,
        a_link_is_its_minters;
    multipart:
        parts_in_any_order_become_the_file,
        what_is_missing_is_named_and_nothing_is_lost,
        a_part_has_exactly_its_length_and_checksum,
        parts_are_asked_for_by_their_numbers,
        of_many_who_complete_at_once_all_get_one_receipt,
        an_empty_file_is_one_empty_part,
        what_was_called_off_takes_no_more_parts,
        a_declared_checksum_of_the_whole_is_held_to;
    quotas:
        racing_declarations_never_overstep,
        the_number_of_files_is_limited_too,
        what_is_completed_stays_charged_and_what_is_deleted_does_not,
        an_upload_that_was_called_off_still_takes_its_room,
        a_key_has_a_quota_of_its_own,
        quotas_are_the_operators,
        what_a_form_could_bring_again_keeps_its_room,
        a_lowered_quota_lets_nothing_in_before_there_is_room;
    passwords:
        a_password_is_wanted_and_nothing_is_used_up,
        a_dead_link_does_not_say_that_it_had_a_password,
        a_password_has_1_to_1024_bytes;
    reconciling:
        what_a_crash_left_is_removed_and_nothing_else,
        a_file_whose_bytes_are_gone_is_named,
        a_wrong_count_is_set_right,
        reconciling_is_for_administrators;
    replays:
        a_url_sent_again_after_completion_changes_nothing,
        a_form_sent_again_after_completion_changes_nothing,
        a_url_sent_after_cancellation_changes_nothing,
        a_url_sent_again_after_the_file_was_deleted_changes_nothing;
    upload_rights:
        a_session_uploads_within_its_pins,
        a_read_session_uploads_nothing,
        an_upload_is_the_claimants_who_declared_it,
        an_upload_is_its_tenants,
        a_key_reaches_uploads_within_its_grants_only;
}
