//! Pages for people.
//!
//! HTML that is the same for everybody who reads its language, and that small
//! scripts fill in through the API: no page is built from anybody's data, no
//! page does on GET or HEAD what consumes a token, and nothing is fetched from
//! anywhere but the broker itself.

mod assets;
mod compressed;
mod html;
pub mod pages;
mod reference;
mod standalone;
mod styles;
mod templates;
mod words;
