//! Ids of function calls. The format joins a call and its result by name and order and has an id only
//! lately; canonical calls need one. Ids made up here are the same whenever the same conversation or
//! answer is read, are known by their prefix, and are never written.

use crate::seal::split_call_id;

/// Before every id made up here.
const MADE: &str = "gcall_";

/// Between the number of a result that answers no call and the name of its function.
const ORPHAN: &str = "gcall_r";

/// The calls read so far, of a conversation or of an answer.
#[derive(Debug, Default)]
pub(super) struct Calls {
    scope: String,
    count: usize,
    /// Calls without a result yet: name, id on the wire, canonical id.
    open: Vec<(String, Option<String>, String)>,
    orphans: usize,
}

impl Calls {
    /// Those of an answer: its id keeps made-up ids apart from those of other answers.
    pub(super) fn of_answer(answer_id: &str, choice: u32) -> Self {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        let id: String = answer_id.chars().map(plain).collect();
        let scope = if choice == 0 { format!("{id}_") } else { format!("{id}_{choice}_") };
        Self { scope, ..Self::default() }
    }

    /// The id of the next call, without a signature.
    pub(super) fn next_id(&mut self, given: Option<&str>) -> String {
        let number = self.count;
        self.count += 1;
        match given {
            Some(given) if !given.is_empty() => given.to_owned(),
            _ => format!("{MADE}{}{number}", self.scope),
        }
    }

    /// Notes a call that waits for its result.
    pub(super) fn opened(&mut self, name: &str, given: Option<&str>, id: &str) {
        self.open.push((name.to_owned(), given.map(str::to_owned), id.to_owned()));
    }

    /// The id of the call that a result answers: by its id, else the oldest open one of its name.
    pub(super) fn answered(&mut self, name: &str, given: Option<&str>) -> String {
        let given = given.filter(|given| !given.is_empty());
        let by_id = |it: &(String, Option<String>, String)| it.1.as_deref() == given;
        let by_name = |it: &(String, Option<String>, String)| it.0 == name;
        let found = match given {
            Some(_) => self.open.iter().position(by_id),
            None => self.open.iter().position(by_name),
        };
        match (found, given) {
            (Some(at), _) => self.open.remove(at).2,
            (None, Some(given)) => given.to_owned(),
            (None, None) => {
                self.orphans += 1;
                format!("{ORPHAN}{}_{name}", self.orphans)
            }
        }
    }
}

/// An id as it is written: without the signature that rides on it; `None` for one made up here.
pub(super) fn wire_id(id: &str) -> Option<&str> {
    let (bare, _) = split_call_id(id);
    (!bare.is_empty() && !bare.starts_with(MADE)).then_some(bare)
}

/// The function that a result names which answers no call.
pub(super) fn orphan_name(id: &str) -> Option<&str> {
    id.strip_prefix(ORPHAN)?.split_once('_').map(|(_, name)| name)
}
