//! The commands, one file each.

pub(crate) mod accounts;
pub(crate) mod budgets;
pub(crate) mod cache;
pub(crate) mod chat;
pub(crate) mod child;
pub(crate) mod config;
pub(crate) mod connect;
pub(crate) mod conversations;
pub(crate) mod doctor;
pub(crate) mod keys;
pub(crate) mod limits;
pub(crate) mod mcp;
pub(crate) mod models;
pub(crate) mod price;
pub(crate) mod route;
pub(crate) mod serve;
pub(crate) mod stdio;
pub(crate) mod usage;

mod governing;
