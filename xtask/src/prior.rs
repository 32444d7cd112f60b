//! Makes the prior that comes with the program from public outcome data, and says what it is made of.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use gw_learn::data::{Outcomes, load};
use gw_learn::prior::Prior;
use gw_routing::estimate::Estimates;
use gw_routing::signal::Signals;

/// Largest prior, in bytes.
const BYTES_MAX: usize = 5 * 1024 * 1024;

#[derive(Args)]
pub(crate) struct Options {
    /// Folders of outcome data; the order does not count
    #[arg(required = true)]
    data: Vec<PathBuf>,
    /// Fail where the files in the repository differ from what these data give
    #[arg(long)]
    check: bool,
}

/// Writes the prior and its provenance.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut sets: Vec<Outcomes> =
        options.data.iter().map(|folder| load(folder, &[])).collect::<Result<_, _>>()?;
    sets.sort_by(|one, other| one.name.cmp(&other.name));
    let prior = Prior::fit(&sets.iter().collect::<Vec<_>>());
    let bytes = prior.estimator().to_bytes();
    anyhow::ensure!(bytes.len() <= BYTES_MAX, "the prior has {} bytes", bytes.len());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/ai-mcp-gateway/data");
    let files = [
        (folder.join("prior.bin"), bytes.clone()),
        (folder.join("prior.md"), provenance(&sets, &prior, bytes.len()).into_bytes()),
    ];
    for (file, content) in files {
        if options.check {
            let kept = std::fs::read(&file).with_context(|| file.display().to_string())?;
            anyhow::ensure!(kept == content, "{} is not what these data give", file.display());
        } else {
            std::fs::write(&file, content).with_context(|| file.display().to_string())?;
        }
    }
    Ok(())
}

fn provenance(sets: &[Outcomes], prior: &Prior, bytes: usize) -> String {
    let mut text = format!(
        "# The prior that comes with the program\n\nMade by `cargo run -p xtask -- prior DIR...`; \
         {bytes} bytes, {} models. Derived from:\n\n| set | prompts | models | source | licence |\n\
         | --- | --- | --- | --- | --- |\n",
        prior.models.len()
    );
    for set in sets {
        let (source, licence) = match set.name.as_str() {
            "dcrouter" => ("ulab-uiuc/LLMRouter", "MIT"),
            "zeroeval" => ("WildEval/ZeroEval", "Apache-2.0"),
            "routellm" => ("lm-sys/RouteLLM", "Apache-2.0"),
            _ => ("-", "-"),
        };
        let (prompts, models) = (set.prompts.len(), set.models.len());
        let _ = writeln!(text, "| {} | {prompts} | {models} | {source} | {licence} |", set.name);
    }
    text.push_str(
        "\nOnly means are kept, no prompt. Sets differ in difficulty; models that stand in several tell \
         by how much.\n\n| model | good answers at ordinary difficulty |\n| --- | --- |\n",
    );
    let mut found = Estimates::default();
    let estimator = prior.estimator();
    estimator.estimate(&Signals::default(), &mut found);
    for (place, model) in prior.models.iter().enumerate() {
        let _ = writeln!(text, "| {model} | {:.3} |", estimator.quality.overall(place));
    }
    text
}
