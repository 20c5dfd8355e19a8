//! One suite for every object storage. A case is written once and runs against
//! each storage over real sockets; where a storage does less than S3 itself, the
//! table in `refuses.rs` says so and the case asserts the gap as it is.

pub mod bench;
mod completions;
mod content_listener;
mod downloads;
pub mod embedded_files;
mod embedded_parts;
mod embedded_sealed;
mod erasing;
mod forms;
mod large_copies;
mod lists;
mod parts;
mod parts_over_http;
mod puts;
mod refuses;
mod stored;
mod vectors;

/// Every case against every storage, each as a test of its own.
macro_rules! conformance {
    ($($file:ident: $($case:ident),+ $(,)?;)+) => {
        conformance!(@ embedded, $($file: $($case),+;)+);
        conformance!(@ localstack, $($file: $($case),+;)+);
        conformance!(@ ministack, $($file: $($case),+;)+);
    };
    (@ $storage:ident, $($file:ident: $($case:ident),+;)+) => {
        mod $storage {
            $(mod $file {
                $(#[test]
                fn $case() {
                    super::super::$file::$case(&super::super::bench::Bench::$storage());
                })+
            })+
        }
    };
}

conformance! {
    puts:
        the_agreed_object_is_stored,
        an_empty_object_is_stored,
        an_object_of_several_pieces_is_stored,
        more_bytes_are_refused,
        fewer_bytes_are_refused,
        another_type_is_refused,
        other_bytes_of_the_declared_checksum_are_refused,
        another_checksum_is_refused,
        a_dropped_header_is_refused,
        an_unsigned_header_is_refused,
        an_expired_url_is_refused,
        a_tampered_url_is_refused,
        an_unsigned_request_is_refused,
        another_key_is_refused,
        another_method_is_refused,
        a_traversal_is_refused,
        a_replay_is_refused_while_the_object_is_there,
        a_replay_cannot_touch_what_was_promoted,
        of_many_at_once_one_is_stored,
        a_url_lives_ten_minutes_at_most,
        what_has_ended_is_not_signed;
    forms:
        the_agreed_file_is_stored,
        an_empty_file_is_stored,
        more_bytes_are_refused,
        fewer_bytes_are_refused,
        another_type_is_refused,
        other_bytes_of_the_declared_checksum_are_refused,
        a_dropped_field_is_refused,
        an_expired_form_is_refused,
        another_key_is_refused,
        an_altered_policy_is_refused,
        another_signature_is_refused,
        an_extra_field_is_refused,
        a_file_that_comes_first_is_refused,
        another_method_is_refused,
        a_replay_is_refused_but_by_s3,
        a_form_lives_ten_minutes_at_most;
    downloads:
        the_object_comes_with_the_agreed_type_and_name,
        a_part_of_it_comes_too,
        an_expired_url_is_refused,
        a_tampered_url_is_refused,
        another_key_is_refused,
        another_answer_is_refused,
        another_method_is_refused,
        a_missing_object_is_not_found;
    erasing:
        everything_goes_in_every_version_and_nothing_else,
        known_objects_go_too;
    stored:
        what_was_put_is_there,
        a_put_replaces,
        any_key_works,
        parts_are_read,
        nothing_is_where_nothing_was_put,
        deleting_twice_succeeds,
        a_copy_keeps_the_bytes_and_knows_their_checksum,
        a_copy_takes_the_type_it_is_given,
        a_copy_replaces,
        a_copy_outlives_its_source,
        a_copy_of_something_else_is_refused,
        a_copy_of_nothing_is_refused,
        a_copy_onto_its_own_copy_succeeds,
        the_storage_answers;
    parts:
        more_or_fewer_bytes_are_refused,
        other_bytes_or_another_checksum_are_refused,
        an_undeclared_header_is_refused,
        a_part_without_the_checksum_that_is_wanted_is_refused,
        any_type_may_be_sent_or_none,
        an_expired_url_is_refused,
        a_tampered_url_is_refused,
        another_part_upload_or_key_is_refused,
        another_method_is_refused,
        a_url_for_a_part_and_one_for_an_object_are_two_things,
        of_many_senders_of_a_part_one_counts,
        a_url_lives_ten_minutes_at_most,
        what_has_ended_or_cannot_be_is_not_signed;
    completions:
        parts_in_any_order_become_the_object,
        a_copy_of_what_came_in_parts_knows_the_whole,
        one_part_is_enough,
        a_part_that_is_sent_again_replaces_the_earlier_one,
        a_missing_part_is_refused_and_the_upload_goes_on,
        another_part_or_order_than_arrived_is_refused,
        a_small_part_before_the_last_is_refused,
        completing_twice_makes_one_object,
        a_taken_key_is_not_written_over,
        nothing_comes_after_an_abort,
        nothing_comes_after_completion,
        of_many_completions_one_object_comes,
        an_unknown_upload_is_none;
    lists:
        a_folder_is_listed_in_the_order_of_keys,
        a_list_goes_on_after_any_key,
        a_list_ends_at_the_walls_of_its_namespace,
        an_upload_in_parts_is_listed_when_it_is_completed;
    large_copies:
        a_large_copy_keeps_the_bytes_and_knows_their_checksum,
        a_large_copy_of_something_else_is_refused,
        a_large_copy_replaces;
}
