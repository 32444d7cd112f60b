//! The commands, one file each.

pub(crate) mod chat;
pub(crate) mod config;
pub(crate) mod doctor;
pub(crate) mod models;
pub(crate) mod route;
pub(crate) mod serve;
