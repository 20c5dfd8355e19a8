//! Promise 7: strangers learn nothing. Whatever is wrong with what somebody presents, the answer is one and the same, byte
//! for byte but for the request id; its owner, or whoever runs this, is told the real reason.
//!
//! All causes and all kinds of tickets are in one table that people can read, `one_answer.txt`.

mod altered;
mod asking;
mod house;
mod links;
mod principals;
mod routes;
mod shares;
mod table;
mod tickets;
mod told;
mod urls;
