//! How long a decision takes: reading a live request, estimating every model, choosing.
//!
//! `cargo run --profile bench-quick -p gw-learn --example decide -- DIR`

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program for people, which times itself"
)]

use std::path::Path;
use std::time::Instant;

use gw_core::Money;
use gw_core::chat::{ChatRequest, Message, Role};
use gw_learn::data::load;
use gw_learn::fit::{Recipe, train};
use gw_learn::split::groups_of;
use gw_routing::choose::{Choice, choose, ppm};
use gw_routing::learned::Learned;
use gw_routing::signal::{Signals, tag_of_words};

fn main() -> gw_core::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_default();
    let outcomes = load(Path::new(&folder), &[])?;
    let groups = groups_of(&outcomes);
    let signals: Vec<Signals> = outcomes
        .prompts
        .iter()
        .map(|prompt| Signals::of(&prompt.text, Some(tag_of_words(&prompt.task))))
        .collect();
    let rows: Vec<usize> = (0..outcomes.prompts.len()).collect();
    let trained = train(&outcomes, &signals, &groups, &rows, &Recipe::default());
    println!("{} models, setting {:?}", outcomes.width(), trained.setting);
    let learned = Learned::new(trained.estimator, folder);
    let short: Vec<ChatRequest> =
        outcomes.prompts.iter().take(2_000).map(|it| request("", &it.text)).collect();
    let words: String = outcomes.prompts.iter().map(|it| format!("{}\n", it.text)).collect();
    let agents: Vec<ChatRequest> = (0..400)
        .map(|at| {
            let cut = |from: usize, to: usize| {
                &words[words.floor_char_boundary(from)..words.floor_char_boundary(to)]
            };
            request(cut(at * 100, at * 100 + 12_000), cut(at * 700, at * 700 + 28_000))
        })
        .collect();
    time("the data's prompts", &learned, &short);
    time("agent requests of 40 kB", &learned, &agents);
    Ok(())
}

fn request(system: &str, said: &str) -> ChatRequest {
    let system = (!system.is_empty()).then(|| Message::text(Role::System, system));
    let messages = system.into_iter().chain([Message::text(Role::User, said)]).collect();
    ChatRequest { messages, ..ChatRequest::default() }
}

fn time(what: &str, learned: &Learned, requests: &[ChatRequest]) {
    let mut times: Vec<u128> = Vec::new();
    let mut sizes: Vec<usize> = Vec::new();
    for request in requests.iter().chain(requests) {
        let began = Instant::now();
        let heard = learned.hear(request, "");
        let cost = |tokens: &f32| Money::from_pico(if *tokens > 100.0 { 2_000 } else { 1_000 });
        let found = heard.found.success.iter().zip(&heard.found.tokens);
        let choices: Vec<Choice> =
            found.map(|(success, tokens)| Choice::new(ppm(*success), cost(tokens))).collect();
        let chosen = choose(Money::from_pico(1_000_000), &choices);
        times.push(began.elapsed().as_nanos());
        std::hint::black_box(chosen);
        sizes.push(request.messages.iter().map(|message| message.joined_text().len()).sum());
    }
    times.sort_unstable();
    sizes.sort_unstable();
    let us = |share: usize| times[(times.len() - 1) * share / 100] as f64 / 1e3;
    let median = sizes[sizes.len() / 2];
    println!("{what} (median {median} bytes): p50 {:.1} us, p99 {:.1} us", us(50), us(99));
}
