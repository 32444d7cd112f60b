//! `chat`: one question, a pipe, or a talk.

use std::io::{IsTerminal, Read};
use std::pin::{Pin, pin};

use anyhow::{Context, Result};
use futures_util::StreamExt;
use gw_core::chat::{ChatRequest, Message, Role, Sampling};
use gw_core::event::{PartDelta, StreamEvent};
use gw_core::{Error, Kind, UsageReport};
use serde_json::json;

use crate::cli::ChatArgs;
use crate::output::{Output, ReaderLeft};
use crate::talk::{About, Ask, Heard, Offered, Talk};

/// Standard input read into a message, in bytes.
const STDIN_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// What was heard of one answer.
struct Answered {
    text: String,
    usage: UsageReport,
    about: About,
}

/// Runs the command.
pub(crate) async fn run(args: ChatArgs, talk: &Talk, output: Output) -> Result<()> {
    if args.interactive {
        return Box::pin(interactive(&args, talk, output)).await;
    }
    let turns = match &args.escalate {
        Some(_) => Vec::new(),
        None => vec![Message::text(Role::User, message(&args)?)],
    };
    let ask = ask(&args, turns);
    let mut answered = Box::pin(answer(ask.clone(), talk, output, !output.is_json())).await?;
    if !output.is_json() && std::io::stdin().is_terminal() {
        while let Some(offer) = answered.about.offer.clone() {
            if !args.quiet {
                output.note(&stats(&answered));
            }
            let mut editor =
                rustyline::DefaultEditor::new().context("the terminal cannot be read")?;
            if !is_wanted(&mut editor, &offer)? {
                return Ok(());
            }
            let again = confirmed(&ask, &offer);
            answered = Box::pin(answer(again, talk, output, true)).await?;
        }
    }
    if output.is_json() {
        let offer = answered.about.offer.as_ref();
        output.json(&json!({
            "requiresEscalationConfirm": offer.is_some(),
            "escalation": offer.map(|offer| json!({
                "required": true,
                "suggestedLayer": offer.layer,
                "reason": offer.reason,
                "expectedCostUsd": offer.cost_usd,
                "token": offer.token,
            })),
            "message": answered.text,
            "model": answered.about.model,
            "layer": answered.about.layer,
            "reason": answered.about.reason,
            "callId": answered.about.call_id,
            "conversationId": args.conversation,
            "tokens": {
                "input": answered.usage.usage.total_input(),
                "output": answered.usage.usage.total_output(),
            },
            "costUsd": answered.about.cost_usd,
            "demo": answered.about.is_demo,
        }))?;
    } else if !args.quiet {
        output.note(&stats(&answered));
        if let Some(offer) = &answered.about.offer {
            output.note(&hint(offer, talk));
        }
    }
    Ok(())
}

/// The same question with a yes to the offer. In a conversation the gateway knows the question;
/// elsewhere it keeps it with the offer, so that nothing is sent again.
fn confirmed(ask: &Ask, offer: &Offered) -> Ask {
    let mut again = ask.clone();
    again.request.messages.clear();
    again.escalate = Some(offer.token.clone());
    (again.layer, again.max_layer) = (None, ask.max_layer);
    again
}

/// Asks whether a higher layer shall answer.
fn is_wanted(editor: &mut rustyline::DefaultEditor, offer: &Offered) -> Result<bool> {
    let Offered { layer, reason, .. } = offer;
    let question = format!("{reason}. Ask {layer} ({})? [y/N] ", price(offer));
    // The editor blocks its thread; nothing else runs while it waits for a line.
    match tokio::task::block_in_place(|| editor.readline(&question)) {
        Ok(line) => Ok(matches!(line.trim().to_lowercase().as_str(), "y" | "yes")),
        Err(
            rustyline::error::ReadlineError::Interrupted | rustyline::error::ReadlineError::Eof,
        ) => Ok(false),
        Err(error) => Err(error).context("the terminal cannot be read"),
    }
}

fn price(offer: &Offered) -> String {
    match offer.cost_usd.as_str() {
        "" | "unpriced" => "unpriced".to_owned(),
        "0" => "free".to_owned(),
        cost => format!("about ${cost}"),
    }
}

fn hint(offer: &Offered, talk: &Talk) -> String {
    let Offered { layer, reason, token, .. } = offer;
    let way = match talk {
        // The offer ends with this process.
        Talk::Local(..) => format!("chat --layer {layer}"),
        Talk::Remote(_) => format!("chat --escalate {token}"),
    };
    format!("{reason}. {layer} may do better ({}): {way}", price(offer))
}

/// The message from the arguments and from what is piped in.
fn message(args: &ChatArgs) -> Result<String> {
    let said = args.message.join(" ");
    let wants_stdin = said.is_empty() || said == "-" || !std::io::stdin().is_terminal();
    if !wants_stdin {
        return Ok(said);
    }
    if std::io::stdin().is_terminal() && said != "-" {
        let error = Error::bad_field("message", "there is nothing to ask")
            .with_hint("Give a message, pipe one in, or talk with -i.");
        return Err(error.into());
    }
    let mut piped = String::new();
    std::io::stdin()
        .take(STDIN_BYTES_MAX + 1)
        .read_to_string(&mut piped)
        .map_err(|error| unreadable(&error))?;
    if piped.len() as u64 > STDIN_BYTES_MAX {
        let text = format!("standard input is over {STDIN_BYTES_MAX} bytes");
        return Err(Error::bad_field("message", text).into());
    }
    let message = match (said.as_str(), piped.trim()) {
        ("" | "-", piped) => piped.to_owned(),
        (said, "") => said.to_owned(),
        (said, piped) => format!("{said}\n\n{piped}"),
    };
    if message.is_empty() {
        return Err(Error::bad_field("message", "standard input is empty").into());
    }
    Ok(message)
}

fn unreadable(error: &std::io::Error) -> Error {
    let what = match error.kind() {
        std::io::ErrorKind::InvalidData => "standard input is not UTF-8 text".to_owned(),
        _ => format!("standard input cannot be read: {error}"),
    };
    Error::bad_field("message", what)
}

fn ask(args: &ChatArgs, turns: Vec<Message>) -> Ask {
    let system = args.system.iter().map(|text| Message::text(Role::System, text.clone()));
    Ask {
        request: ChatRequest {
            model: args.model.clone(),
            messages: system.chain(turns).collect(),
            max_output_tokens: args.max_tokens,
            sampling: Sampling { temperature: args.temperature, ..Sampling::default() },
            stream: !args.no_stream,
            include_usage: true,
            ..ChatRequest::default()
        },
        conversation: args.conversation.clone(),
        layer: args.layer,
        max_layer: args.max_layer,
        quality: args.quality,
        cross_check: args.cross_check,
        auto_escalate: args.yes.then_some(true),
        escalate: args.escalate.clone(),
    }
}

/// Asks and prints the words as they come.
async fn answer(ask: Ask, talk: &Talk, output: Output, prints: bool) -> Result<Answered> {
    let mut interrupt = pin!(tokio::signal::ctrl_c());
    let mut told = uninterrupted(interrupt.as_mut(), Box::pin(talk.ask(ask))).await??;
    let mut answered =
        Answered { text: String::new(), usage: UsageReport::default(), about: told.about };
    while let Some(heard) = uninterrupted(interrupt.as_mut(), told.events.next()).await? {
        match heard {
            Heard::Cost(cost) => answered.about.cost_usd = cost,
            Heard::Event(StreamEvent::Usage(report)) => answered.usage = report,
            Heard::Event(StreamEvent::PartDelta { delta: PartDelta::Text(text), .. }) => {
                if prints {
                    output.write(&text)?;
                }
                answered.text.push_str(&text);
            }
            Heard::Event(StreamEvent::Error(error)) => {
                if prints && !answered.text.is_empty() {
                    output.write("\n")?;
                }
                return Err((*error).into());
            }
            Heard::Event(_) => {}
        }
    }
    if prints && !answered.text.ends_with('\n') {
        output.write("\n")?;
    }
    Ok(answered)
}

/// Waits for a piece of the answer, or for Ctrl-C: then the answer is dropped, which ends the call.
async fn uninterrupted<T>(
    interrupt: Pin<&mut impl Future<Output = std::io::Result<()>>>,
    piece: impl Future<Output = T>,
) -> Result<T, Error> {
    tokio::select! {
        biased;
        Ok(()) = interrupt => Err(Error::new(Kind::Cancelled, "interrupted")),
        piece = piece => Ok(piece),
    }
}

fn stats(answered: &Answered) -> String {
    let usage = &answered.usage.usage;
    let cost = match answered.about.cost_usd.as_str() {
        "" => "cost not told".to_owned(),
        "unpriced" => "unpriced".to_owned(),
        "0" => "free".to_owned(),
        cost => format!("${cost}"),
    };
    let demo = if answered.about.is_demo { " | simulated" } else { "" };
    format!(
        "{} | {} | {} in, {} out | {cost}{demo}",
        answered.about.layer,
        answered.about.model,
        usage.total_input(),
        usage.total_output(),
    )
}

/// A talk at a prompt; each turn hears what was said before.
async fn interactive(args: &ChatArgs, talk: &Talk, output: Output) -> Result<()> {
    let mut turns: Vec<Message> = Vec::new();
    let mut editor = rustyline::DefaultEditor::new().context("the terminal cannot be read")?;
    output.note("/help lists commands, /exit ends.");
    loop {
        // The editor blocks its thread; nothing else runs while it waits for a line.
        let line = tokio::task::block_in_place(|| editor.readline("You> "));
        let line = match line {
            Ok(line) => line.trim().to_owned(),
            Err(rustyline::error::ReadlineError::Interrupted) => continue,
            Err(rustyline::error::ReadlineError::Eof) => return Ok(()),
            Err(error) => return Err(error).context("the terminal cannot be read"),
        };
        match line.as_str() {
            "" => continue,
            "/exit" | "/quit" => return Ok(()),
            "/new" => {
                turns.clear();
                output.note("forgotten.");
                continue;
            }
            "/help" => {
                output.note("/new forgets what was said, /exit ends; anything else is asked.");
                continue;
            }
            _ => {}
        }
        editor.add_history_entry(&line).context("the line cannot be remembered")?;
        turns.push(Message::text(Role::User, line));
        // With a conversation id the gateway remembers; without one this process does.
        let said = if args.conversation.is_some() {
            turns.split_off(turns.len() - 1)
        } else {
            turns.clone()
        };
        let asked = ask(args, said);
        match Box::pin(answer(asked.clone(), talk, output, true)).await {
            Ok(mut answered) => {
                if !args.quiet {
                    output.note(&stats(&answered));
                }
                while let Some(offer) = answered.about.offer.clone() {
                    if !is_wanted(&mut editor, &offer)? {
                        break;
                    }
                    let again = confirmed(&asked, &offer);
                    match Box::pin(answer(again, talk, output, true)).await {
                        Ok(better) => answered = better,
                        Err(error) if error.is::<ReaderLeft>() => return Err(error),
                        // The answer so far stands.
                        Err(error) => {
                            output.error(&error);
                            break;
                        }
                    }
                    if !args.quiet {
                        output.note(&stats(&answered));
                    }
                }
                turns.push(Message::text(Role::Assistant, answered.text));
            }
            Err(error) if error.is::<ReaderLeft>() => return Err(error),
            Err(error) => {
                turns.pop();
                output.error(&error);
            }
        }
    }
}
