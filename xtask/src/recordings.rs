//! `recordings DIR`: every exchange of a chat format is decoded, written in every dialect, decoded
//! again and compared; streams at every cut.
//!
//! Exceptions (what a recording lacks, or what a format cannot say) are listed with their reason;
//! only a difference that no notice explains is a failure.

mod compare;
mod exchange;
mod requests;
mod streams;
mod verdicts;

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use anyhow::{Context, Result, bail};
use clap::Args;
use gw_core::seam::DialectId;
use serde_json::Value;

/// Options of the check.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Folder of `*.jsonl` files, one exchange a line.
    dir: PathBuf,
    /// Bytes to read again at most for the cuts of one stream. Every byte has its cut; a longer
    /// stream has several in one reading. 0 means two pieces a reading, however long it takes.
    #[arg(long, default_value_t = 6 * 1024 * 1024)]
    cut_bytes_max: usize,
}

/// One line of a file.
struct Line {
    file: String,
    number: usize,
    text: String,
}

/// What was found in one exchange.
#[derive(Default)]
struct Findings {
    failures: Vec<String>,
    exceptions: Vec<String>,
    notices: BTreeMap<String, usize>,
    /// What each refusal was read as.
    refusals: Vec<String>,
    cuts: usize,
}

impl Findings {
    fn fail(&mut self, what: impl Into<String>) {
        self.failures.push(what.into());
    }

    fn except(&mut self, why: impl Into<String>) {
        self.exceptions.push(why.into());
    }
}

/// The verdict on one line.
enum Verdict {
    OutOfScope(&'static str),
    Checked { kind: &'static str, format: DialectId, label: String, findings: Findings },
    Unreadable(String),
}

/// Counts of one file and format.
#[derive(Default)]
struct Counts {
    passed: usize,
    failed: usize,
    with_exceptions: usize,
    cuts: usize,
}

/// Runs the check.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let lines = read_lines(&options.dir)?;
    let verdicts = judge_all(&lines, options);
    let mut report = Report::default();
    for (line, verdict) in lines.iter().zip(&verdicts) {
        report.add(line, verdict);
    }
    let is_clean = report.failed == 0;
    report.print(&mut std::io::stdout().lock())?;
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read_lines(dir: &Path) -> Result<Vec<Line>> {
    let entries =
        std::fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<Vec<PathBuf>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    paths.sort();
    if paths.is_empty() {
        bail!("{} holds no *.jsonl file", dir.display());
    }
    let mut lines = Vec::new();
    for path in paths {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read {file}"))?;
        let text = String::from_utf8_lossy(&bytes);
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            lines.push(Line { file: file.clone(), number: index + 1, text: line.to_owned() });
        }
    }
    Ok(lines)
}

/// Judges all lines on all cores; verdicts come in the order of the lines.
fn judge_all(lines: &[Line], options: &Options) -> Vec<Verdict> {
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    let workers = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(line) = lines.get(at) else { return };
                    if sender.send((at, judge(line, options))).is_err() {
                        return;
                    }
                }
            });
        }
    });
    drop(sender);
    let mut verdicts: Vec<(usize, Verdict)> = receiver.iter().collect();
    verdicts.sort_by_key(|(at, _)| *at);
    verdicts.into_iter().map(|(_, verdict)| verdict).collect()
}

fn judge(line: &Line, options: &Options) -> Verdict {
    let exchange: Value = match serde_json::from_str(&line.text) {
        Ok(exchange) => exchange,
        Err(error) => return Verdict::Unreadable(format!("the line is not JSON: {error}")),
    };
    let text = |key: &str| match &exchange[key] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let label = format!("{} #{}", text("cassette"), text("i"));
    if let Some(format) = exchange::count_of(&exchange) {
        let findings = exchange::check_count(&exchange, format);
        return Verdict::Checked { kind: "count of tokens", format, label, findings };
    }
    let Some(format) = exchange::format_of(&exchange) else {
        return Verdict::OutOfScope(exchange::other_kind(&exchange));
    };
    let findings = exchange::check(&exchange, format, options.cut_bytes_max);
    Verdict::Checked { kind: "chat", format, label, findings }
}

#[derive(Default)]
struct Report {
    rows: BTreeMap<(String, &'static str, DialectId), Counts>,
    out_of_scope: BTreeMap<(String, &'static str), usize>,
    refusals: BTreeMap<(String, String), usize>,
    notices: BTreeMap<String, usize>,
    exceptions: Vec<String>,
    failures: Vec<String>,
    passed: usize,
    failed: usize,
}

impl Report {
    fn add(&mut self, line: &Line, verdict: &Verdict) {
        match verdict {
            Verdict::OutOfScope(kind) => {
                *self.out_of_scope.entry((line.file.clone(), kind)).or_default() += 1;
            }
            Verdict::Unreadable(why) => {
                self.failed += 1;
                self.failures.push(format!("{} line {}: {why}", line.file, line.number));
            }
            Verdict::Checked { kind, format, label, findings } => {
                for words in &findings.refusals {
                    *self.refusals.entry((line.file.clone(), words.clone())).or_default() += 1;
                }
                let row = self.rows.entry((line.file.clone(), kind, *format)).or_default();
                row.cuts += findings.cuts;
                row.with_exceptions += usize::from(!findings.exceptions.is_empty());
                if findings.failures.is_empty() {
                    row.passed += 1;
                    self.passed += 1;
                } else {
                    row.failed += 1;
                    self.failed += 1;
                }
                let place = format!("{} {label}", line.file);
                let lines = |texts: &[String]| -> Vec<String> {
                    texts.iter().map(|text| format!("{place}: {text}")).collect()
                };
                self.exceptions.extend(lines(&findings.exceptions));
                self.failures.extend(lines(&findings.failures));
                for (notice, count) in &findings.notices {
                    *self.notices.entry(notice.clone()).or_default() += count;
                }
            }
        }
    }

    fn print(&self, out: &mut impl std::io::Write) -> Result<()> {
        writeln!(
            out,
            "file, kind and format: passed, failed, with exceptions, readings of cut streams"
        )?;
        for ((file, kind, format), row) in &self.rows {
            let Counts { passed, failed, with_exceptions, cuts } = row;
            writeln!(
                out,
                "  {file} {kind} {format}: {passed}, {failed}, {with_exceptions}, {cuts}"
            )?;
        }
        let out_of_scope: usize = self.out_of_scope.values().sum();
        writeln!(out, "refusals: status of the provider, and what it is read as")?;
        for ((file, words), count) in &self.refusals {
            writeln!(out, "  {file}: {count} x {words}")?;
        }
        writeln!(out, "not of a chat kind: {out_of_scope}")?;
        for ((file, kind), count) in &self.out_of_scope {
            writeln!(out, "  {file}: {count} x {kind}")?;
        }
        writeln!(out, "notices of the encoders (what the other format cannot say):")?;
        for (notice, count) in &self.notices {
            writeln!(out, "  {count} x {notice}")?;
        }
        writeln!(out, "exceptions: {}", self.exceptions.len())?;
        for line in &self.exceptions {
            writeln!(out, "  {line}")?;
        }
        for line in &self.failures {
            writeln!(out, "FAILED {line}")?;
        }
        writeln!(out, "{} passed, {} failed", self.passed, self.failed)?;
        Ok(())
    }
}

/// A short form of a value, for the report.
fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 300;
    match text.char_indices().nth(CHARS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// The words of a difference.
fn difference(what: &str, expected: &impl std::fmt::Debug, found: &impl std::fmt::Debug) -> String {
    let (expected, found) = (format!("{expected:?}"), format!("{found:?}"));
    // The place where they part says more than their common beginning.
    let same = expected.bytes().zip(found.bytes()).take_while(|(a, b)| a == b).count();
    let mut start = same.saturating_sub(60);
    while !(expected.is_char_boundary(start) && found.is_char_boundary(start)) {
        start -= 1;
    }
    let (expected, found) = (shortened(&expected[start..]), shortened(&found[start..]));
    format!("{what} differs: expected …{expected} found …{found}")
}
