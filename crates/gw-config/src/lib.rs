//! Configuration: `gateway.toml`, `.env`, the environment and flags become one immutable, checked
//! [`Settings`].
//!
//! Knows nothing of the rooms that it configures: the binary maps settings to their options. Never
//! reads the process environment, never logs, and never shows a secret.

pub mod section;
mod settings;

mod secret;
mod units;
mod well_known;

mod env;
mod schema;

mod dotenv;
mod files;
mod layer;
mod load;
mod placeholder;
mod system_c;
mod tree;

mod check;
mod resolve;
mod source;
mod suggest;

mod example;
mod reference;
mod show;

pub use env::{CONFIG_FILE, ENV_VARS, Effect, EnvVar, Family, PREFIX, Reading, derived_name};
pub use example::example;
pub use load::{Inputs, Loaded, Purpose, default_file, file_to_change, load};
pub use reference::reference_markdown;
pub use schema::schema;
pub use secret::{REDACTED, Secret};
pub use settings::Settings;
pub use show::show;
pub use source::{ConfigErrors, Problem, Source, Warning};
pub use units::{Prices, UsdPerMillion, UsdPerThousand};
pub use well_known::{WELL_KNOWN, WellKnown, well_known};
