//! `route eval` without the gateway around it: quick to build while working on the estimates.
//!
//! `cargo run -p gw-learn --example evaluate -- DIR random|task SEEDS MODELS|- CASCADE|- [TASK]`

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program for people, which times itself"
)]

use std::path::Path;
use std::time::Instant;

use gw_learn::data::load;
use gw_learn::evaluate::{Options, evaluate};
use gw_learn::fit::Recipe;
use gw_learn::report::table;
use gw_learn::split::SplitBy;

fn main() -> gw_core::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let arg = |at: usize| args.get(at).map_or("-", String::as_str);
    let list = |text: &str| match text {
        "-" => Vec::new(),
        names => names.split(',').map(str::to_owned).collect(),
    };
    let mut outcomes = load(Path::new(arg(1)), &list(arg(4)))?;
    if arg(6) != "-" {
        outcomes.keep_task(arg(6))?;
    }
    let options = Options {
        split: if arg(2) == "task" { SplitBy::Task } else { SplitBy::Random },
        seeds: arg(3).parse().unwrap_or(3),
        cascade: list(arg(5)),
        recipe: Recipe::default(),
        priors: Vec::new(),
    };
    let began = Instant::now();
    let now_ns = || u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
    println!("{}", table(&evaluate(&outcomes, &options, &now_ns)?));
    Ok(())
}
