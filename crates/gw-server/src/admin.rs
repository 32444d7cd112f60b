//! Governing in the words of `/admin/v1`: what is written and what is read, and the step from there
//! to [`Governance`](gw_core::seam::Governance).
//!
//! The doors answer with these, and the command line works with the same ones whether it asks a
//! running gateway or the store itself, so that a field cannot mean two things. Nothing here knows
//! HTTP.

pub mod accounts;
pub mod budgets;
pub mod keys;
pub mod limits;
pub mod words;

pub use accounts::{AccountBody, AccountView};
pub use budgets::{BudgetBody, BudgetView};
pub use keys::{KeyBody, KeyDetail, KeyView, NewKeyView, OwnKey, RotateBody};
pub use limits::{LimitBody, LimitView};
pub use words::{Body, Page, PageQuery, Usd, decode};

#[cfg(test)]
mod tests;
