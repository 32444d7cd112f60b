//! Pure rules of money: what a call costs, what it may cost at worst, and what is held back for it.
//!
//! Knows prices and usage, no provider's wire format and no database.

pub mod cost;
pub mod itemised;
pub mod reconcile;
pub mod savings;
pub mod unpriced;

pub mod account;

pub mod book;
pub mod define;
pub mod embedded;
mod meter;
mod purse;
pub mod refusal;
pub mod window;

pub mod hierarchy;
pub mod key;
pub mod keyring;
pub mod office;

pub mod display;

pub use account::{Account, Totals};
pub use book::{Ask, Book, BudgetAlert};
pub use cost::{billable, cost, price, worst_case, worst_case_in, worst_case_of};
pub use display::format_cost;
pub use embedded::{Alert, EmbeddedBudgets};
pub use gw_core::key::NewKey;
pub use hierarchy::Tree;
pub use itemised::{Itemised, price_usage};
pub use keyring::Keyring;
pub use office::Office;
pub use refusal::Refusal;
pub use unpriced::Unpriced;
