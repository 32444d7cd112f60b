//! `conversations`: those that are kept, in the store of this configuration or through a running gateway.

use std::io::Write as _;

use anyhow::{Result, bail};
use gw_config::Purpose;
use gw_context::{Handoff, Summary, todo};
use gw_core::limits::TURNS_READ_MAX;
use gw_core::record::{
    ConversationHead, ConversationQuery, ConversationRef, DataCursor, StoredMessage, Subject,
    TodoItem, TodoStatus,
};
use gw_core::{ConversationId, Error, Kind};
use http::Method;
use serde_json::{Value, json};

use crate::assemble;
use crate::cli::{By, ConversationsCommand, DeleteArgs, SubjectArgs, TodoArgs};
use crate::desk::segment;
use crate::output::Output;
use crate::remote::Remote;
use crate::setup::Setup;
use crate::store::Store;

/// Where the conversations are.
enum Place {
    Gateway(Box<Remote>),
    Here(Box<Store>),
}

/// Runs the command.
pub(crate) async fn run(
    command: ConversationsCommand,
    setup: &Setup,
    output: Output,
) -> Result<()> {
    let place = match setup.remote()? {
        Some(remote) => Place::Gateway(Box::new(remote)),
        None => {
            let loaded = setup.load(Purpose::Other, &[])?;
            Place::Here(Box::new(assemble::store(&loaded.settings).await?))
        }
    };
    match command {
        ConversationsCommand::List { user, limit } => list(&place, user, limit, output).await,
        ConversationsCommand::Show { id, messages } => show(&place, &id, messages, output).await,
        ConversationsCommand::Summaries { id } => summaries(&place, &id, output).await,
        ConversationsCommand::Summarise { id, by } => summarise(&place, &id, by, output).await,
        ConversationsCommand::Handoff { id, max_tokens } => {
            handoff(&place, &id, max_tokens, output).await
        }
        ConversationsCommand::Todo(args) => todo_list(&place, args, output).await,
        ConversationsCommand::Export(args) => export(&place, args).await,
        ConversationsCommand::Delete(args) => delete(&place, args, output).await,
    }
}

fn path(id: &str, rest: &str) -> String {
    format!("/v1/conversations/{}{rest}", segment(id))
}

async fn read(remote: &Remote, path: &str) -> Result<Value> {
    Ok(remote.admin(Method::GET, path, None).await?)
}

async fn send(remote: &Remote, method: Method, path: &str, body: &Value) -> Result<Value> {
    let body = bytes::Bytes::from(body.to_string());
    Ok(remote.admin(method, path, Some(body)).await?)
}

fn conversation(id: &str) -> ConversationRef {
    ConversationRef { id: ConversationId::from(id), user_id: None, project_id: None, owner: None }
}

async fn list(place: &Place, user: Option<String>, limit: usize, output: Output) -> Result<()> {
    let found = match place {
        Place::Gateway(remote) => {
            let user = user.map(|user| format!("&user={}", segment(&user))).unwrap_or_default();
            read(remote, &format!("/v1/conversations?limit={limit}{user}")).await?
        }
        Place::Here(store) => {
            let query =
                ConversationQuery { user_id: user, limit, with_counts: true, ..Default::default() };
            let heads = store.conversations.heads(query).await?;
            json!({ "conversations": heads.iter().map(head).collect::<Vec<_>>() })
        }
    };
    if output.is_json() {
        return output.json(&found);
    }
    let rows = found["conversations"].as_array().map_or(&[][..], Vec::as_slice);
    if rows.is_empty() {
        output.note("No conversation is kept.");
        return Ok(());
    }
    let mut text = String::new();
    for row in rows {
        let word = |name: &str| row[name].as_str().unwrap_or("-").to_owned();
        text.push_str(&format!(
            "{}  {} messages, summary {}, user {}\n",
            word("id"),
            row["messageCount"],
            row["summaryVersion"],
            word("userId")
        ));
    }
    output.write(&text)
}

fn head(head: &ConversationHead) -> Value {
    let ConversationRef { id, user_id, project_id, owner } = &head.conversation;
    json!({"id": id.as_str(), "userId": user_id, "projectId": project_id, "keyId": owner,
        "messageCount": head.messages, "summaryVersion": head.summary_version,
        "createdAtMs": head.created_at_ms, "updatedAtMs": head.updated_at_ms})
}

async fn show(place: &Place, id: &str, messages: usize, output: Output) -> Result<()> {
    let (summary, turns): (Option<Value>, Vec<(String, String)>) = match place {
        Place::Gateway(remote) => {
            let found = read(remote, &format!("/v1/context/{}", segment(id))).await?;
            let turns = found["recentMessages"].as_array().cloned().unwrap_or_default();
            let word = |turn: &Value, name: &str| turn[name].as_str().unwrap_or("").to_owned();
            let turns = turns.iter().map(|turn| (word(turn, "role"), word(turn, "content")));
            (Some(found["summary"].clone()).filter(|it| !it.is_null()), turns.collect())
        }
        Place::Here(store) => {
            let id = ConversationId::from(id);
            let summary = store.conversations.summary(&id).await?.map(|found| found.body);
            let turns = store.conversations.recent(&id, messages).await?;
            (summary, turns.into_iter().map(|turn| (turn.role, turn.content)).collect())
        }
    };
    let turns = &turns[turns.len().saturating_sub(messages)..];
    if output.is_json() {
        let turns: Vec<Value> =
            turns.iter().map(|(role, content)| json!({"role": role, "content": content})).collect();
        return output.json(&json!({"id": id, "summary": summary, "recentMessages": turns}));
    }
    let mut text = String::new();
    if let Some(summary) = summary {
        text.push_str(&Summary::of_value(&summary).to_text());
        text.push_str("\n\n");
    }
    for (role, content) in turns {
        text.push_str(&format!("{role}: {content}\n"));
    }
    if text.is_empty() {
        output.note("Nothing is kept of this conversation.");
    }
    output.write(&text)
}

async fn summaries(place: &Place, id: &str, output: Output) -> Result<()> {
    let found = match place {
        Place::Gateway(remote) => read(remote, &path(id, "/summaries")).await?,
        Place::Here(store) => {
            let all = store.conversations.summaries(&ConversationId::from(id), 100).await?;
            let all: Vec<Value> = all
                .into_iter()
                .map(|it| json!({"version": it.version, "summary": it.body}))
                .collect();
            json!({ "summaries": all })
        }
    };
    if output.is_json() {
        return output.json(&found);
    }
    let mut text = String::new();
    for one in found["summaries"].as_array().into_iter().flatten() {
        let summary = Summary::of_value(&one["summary"]);
        text.push_str(&format!("version {}\n{}\n\n", one["version"], summary.to_text()));
    }
    output.write(&text)
}

async fn summarise(place: &Place, id: &str, by: By, output: Output) -> Result<()> {
    let summary = match place {
        Place::Gateway(remote) => {
            let body = json!({"by": by.as_str()});
            send(remote, Method::POST, &path(id, "/summaries"), &body).await?["summary"].clone()
        }
        Place::Here(_) if by != By::Extractive => {
            bail!("a model needs a running gateway: name it with --endpoint")
        }
        Place::Here(store) => summarised(store, id).await?,
    };
    if output.is_json() {
        return output.json(&json!({ "summary": summary }));
    }
    output.write(&format!("{}\n", Summary::of_value(&summary).to_text()))
}

/// Adds what no summary covers to a new version.
async fn summarised(store: &Store, id: &str) -> Result<Value> {
    let talk = ConversationId::from(id);
    let (mut summary, turns) = known(store, &talk).await?;
    let Some(last) = turns.last().map(|turn| turn.place) else {
        return Ok(summary.to_value());
    };
    gw_context::absorb(&mut summary, &gw_engine::messages_of(turns), gw_context::Bounds::default());
    summary.covers_until = last;
    summary.conversation_id = id.to_owned();
    let body = summary.to_value();
    store.conversations.put_summary(conversation(id), body.clone()).await?;
    Ok(body)
}

/// The newest summary, and the turns that it does not cover.
async fn known(store: &Store, id: &ConversationId) -> Result<(Summary, Vec<StoredMessage>)> {
    let newest = store.conversations.summary(id).await?;
    let summary = newest.map(|newest| Summary::of_value(&newest.body)).unwrap_or_default();
    let turns = store.conversations.turns(id, summary.covers_until, TURNS_READ_MAX).await?;
    Ok((summary, turns))
}

async fn handoff(place: &Place, id: &str, max_tokens: u64, output: Output) -> Result<()> {
    let (package, text) = match place {
        Place::Gateway(remote) => {
            let body = json!({"maxTokens": max_tokens});
            let made = send(remote, Method::POST, &path(id, "/handoff"), &body).await?;
            (made["handoff"].clone(), made["text"].as_str().unwrap_or_default().to_owned())
        }
        Place::Here(store) => {
            let (summary, turns) = known(store, &ConversationId::from(id)).await?;
            let turns = gw_engine::messages_of(turns);
            let package = Handoff::of_messages(&turns, Some(&summary)).within(max_tokens);
            (package.to_json(), package.to_text())
        }
    };
    if output.is_json() {
        return output.json(&package);
    }
    output.write(&format!("{text}\n"))
}

async fn todo_list(place: &Place, args: TodoArgs, output: Output) -> Result<()> {
    let id = ConversationId::from(args.id.as_str());
    let before: Vec<TodoItem> = match place {
        Place::Gateway(remote) => {
            let found = read(remote, &path(&args.id, "/todo")).await?;
            serde_json::from_value(found["items"].clone()).unwrap_or_default()
        }
        Place::Here(store) => store.conversations.todo(&id).await?,
    };
    let items = changed(before.clone(), &args)?;
    if items != before {
        match place {
            Place::Gateway(remote) => {
                let body = json!({ "items": items });
                send(remote, Method::PUT, &path(&args.id, "/todo"), &body).await?;
            }
            Place::Here(store) => {
                store.conversations.put_todo(conversation(&args.id), items.clone()).await?;
            }
        }
    }
    if output.is_json() {
        return output.json(&json!({ "items": items }));
    }
    output.write(&todo::to_text(&items))
}

fn changed(mut items: Vec<TodoItem>, args: &TodoArgs) -> Result<Vec<TodoItem>> {
    for (number, status) in
        [(args.start, TodoStatus::InProgress), (args.done, TodoStatus::Completed)]
    {
        if let Some(number) = number {
            let item = items.iter_mut().find(|item| item.id == number);
            item.ok_or_else(|| no_item(number))?.status = status;
        }
    }
    if let Some(number) = args.remove {
        let before = items.len();
        items.retain(|item| item.id != number);
        if items.len() == before {
            return Err(no_item(number).into());
        }
    }
    if let Some(title) = &args.add {
        let added = TodoItem {
            id: 0,
            title: title.clone(),
            description: String::new(),
            status: TodoStatus::NotStarted,
        };
        items = todo::merge(items, vec![added]);
    }
    if let Some(task) = &args.generate {
        items = todo::merge(items, todo::generate(task));
    }
    Ok(items)
}

fn no_item(number: u32) -> Error {
    Error::new(Kind::NotFound, format!("the list has no item {number}"))
        .with_hint("`conversations todo ID` shows the list.")
}

fn subject(args: &SubjectArgs) -> Subject {
    match (&args.id, &args.user) {
        (Some(id), _) => Subject::Conversation(ConversationId::from(id.as_str())),
        (None, user) => Subject::User(user.clone().unwrap_or_default()),
    }
}

fn data_path(subject: &Subject, rest: &str) -> String {
    match subject {
        Subject::Conversation(id) => path(id.as_str(), rest),
        Subject::User(user) => format!("/admin/v1/users/{}/data", segment(user)),
    }
}

async fn export(place: &Place, args: SubjectArgs) -> Result<()> {
    let subject = subject(&args);
    let mut out = std::io::stdout().lock();
    match place {
        Place::Gateway(remote) => {
            out.write_all(&remote.bytes(&data_path(&subject, "/export")).await?)?;
        }
        Place::Here(store) => {
            let mut next = Some(DataCursor::default());
            while let Some(from) = next {
                let page = store.personal.gather(&subject, from).await?;
                for (table, row) in page.rows {
                    writeln!(out, "{}", json!({"table": table, "row": row}))?;
                }
                next = page.next;
            }
        }
    }
    Ok(())
}

async fn delete(place: &Place, args: DeleteArgs, output: Output) -> Result<()> {
    let subject = subject(&args.subject);
    if !args.yes {
        let what = match &subject {
            Subject::Conversation(id) => format!("conversation {id}"),
            Subject::User(user) => format!("everything kept of user {user}"),
        };
        bail!("this deletes {what} for good; say --yes to do it");
    }
    let rows = match place {
        Place::Gateway(remote) => {
            remote.admin(Method::DELETE, &data_path(&subject, ""), None).await?["rows"].clone()
        }
        Place::Here(store) => {
            let counts = store.personal.forget(&subject).await?;
            counts.into_iter().map(|(table, rows)| (table.to_owned(), json!(rows))).collect()
        }
    };
    if output.is_json() {
        return output.json(&json!({"deleted": true, "rows": rows}));
    }
    let parts: Vec<String> = rows
        .as_object()
        .into_iter()
        .flatten()
        .map(|(table, rows)| format!("{rows} in {table}"))
        .collect();
    output.note(&if parts.is_empty() {
        "nothing was kept".to_owned()
    } else {
        format!("deleted or made anonymous: {}", parts.join(", "))
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use gw_core::record::TodoStatus;

    use super::changed;
    use crate::cli::TodoArgs;

    fn args() -> TodoArgs {
        TodoArgs {
            id: "c".to_owned(),
            add: None,
            start: None,
            done: None,
            remove: None,
            generate: None,
        }
    }

    #[test]
    fn a_list_is_changed_as_said() {
        let made =
            changed(Vec::new(), &TodoArgs { generate: Some("test it".to_owned()), ..args() });
        let made = made.expect("made");
        assert_eq!(made.len(), 3);
        let done = changed(made, &TodoArgs { done: Some(2), remove: Some(1), ..args() });
        let done = done.expect("there");
        assert_eq!((done.len(), done[0].status), (2, TodoStatus::Completed));
        assert!(changed(done, &TodoArgs { start: Some(9), ..args() }).is_err());
    }
}
