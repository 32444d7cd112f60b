//! The laws of the dialect: recordings decode, round trips lose nothing, cuts change nothing, broken
//! bytes never panic.

mod laws;
mod recordings;
