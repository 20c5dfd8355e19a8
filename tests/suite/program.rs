//! The program itself, as people and supervisors start, use and stop it.
//!
//! Each test has a data directory and ports of its own, and ends the processes
//! that it started, each by its own id.

mod balancer;
mod crossing;
mod pretending;
pub mod process;
mod rehearsal;
mod replica_load;
mod replicated;

mod backing_up;
mod commands;
mod contained;
mod crashing;
mod crashing_files;
mod crashing_tokens;
mod delivering;
mod description;
mod downloading;
mod encrypted;
mod first_start;
mod floods;
mod following;
mod full_disk;
mod interrupted;
mod keys_on_aws;
mod limiting;
mod mailed;
mod many_files;
mod monitored;
mod receipts;
mod refusing_to_start;
mod reloading;
mod replicas;
mod restoring;
mod rotating;
mod rotting;
mod rotting_content;
mod scanned;
mod security_txt;
mod starting_again;
mod stopping;
mod terminal;
mod uploading;
mod uploading_parts;
mod webhooks;
