//! The commands, one file each.

pub(crate) mod chat;
pub(crate) mod child;
pub(crate) mod config;
pub(crate) mod doctor;
pub(crate) mod mcp;
pub(crate) mod models;
pub(crate) mod serve;
pub(crate) mod stdio;
