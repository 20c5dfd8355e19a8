//! Cloakroom: a capability-token sharing and pre-signed upload broker.
//!
//! You hand something over, you get a ticket, the ticket works once.
//! ARCHITECTURE.md leads through the modules, from a request to its commit.

pub mod app;
pub mod aws;
pub mod backup;
pub mod cli;
pub mod clock;
pub mod config;
pub mod courier;
pub mod crypto;
mod disk;
pub mod doctor;
pub mod domain;
pub mod entropy;
pub mod high_water;
pub mod http;
pub mod keys;
pub mod kms;
pub mod mail;
pub mod objects;
pub mod oidc;
pub mod outward;
pub mod scanner;
pub mod service;
pub mod store;
pub mod telemetry;
pub mod tls;
pub mod web;
