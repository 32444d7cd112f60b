//! Arguments of a function call that come in pieces: each names a place in the arguments and what is
//! put or appended there (`partialArgs`, `willContinue`). The call is given on when it is whole.

use serde_json::{Map, Value};

/// Largest index of an array that a piece may name.
const INDEX_MAX: usize = 1_000;

/// Deepest place that a piece may name.
const DEPTH_MAX: usize = 32;

/// A step of a place.
enum Step {
    Key(String),
    Index(usize),
}

/// A call that is not yet whole.
#[derive(Debug)]
pub(in crate::gemini) struct PartialCall {
    /// The call as its first piece began it, without pieces.
    pub(in crate::gemini) call: Map<String, Value>,
    /// Its signature.
    pub(in crate::gemini) signature: Option<String>,
    arguments: Value,
}

impl PartialCall {
    /// Begins a call.
    pub(in crate::gemini) fn new(mut call: Map<String, Value>, signature: Option<String>) -> Self {
        let arguments = match call.remove("args") {
            Some(Value::Object(arguments)) => Value::Object(arguments),
            _ => Value::Object(Map::new()),
        };
        let mut partial = Self { call: Map::new(), signature, arguments };
        partial.add(&call);
        call.retain(|key, _| key != "partialArgs" && key != "willContinue");
        partial.call = call;
        partial
    }

    /// Adds the pieces of a message.
    pub(in crate::gemini) fn add(&mut self, call: &Map<String, Value>) {
        for piece in call.get("partialArgs").and_then(Value::as_array).into_iter().flatten() {
            add_piece(&mut self.arguments, piece);
        }
    }

    /// The whole `functionCall`.
    pub(in crate::gemini) fn into_call(mut self) -> Value {
        self.call.insert("args".to_owned(), self.arguments);
        Value::Object(self.call)
    }
}

/// True for a call that is not whole.
pub(in crate::gemini) fn continues(call: &Map<String, Value>) -> bool {
    call.get("willContinue") == Some(&Value::Bool(true))
}

/// Puts one piece in its place. A place that makes no sense is passed over.
pub(in crate::gemini) fn add_piece(arguments: &mut Value, piece: &Value) {
    let Some(steps) = piece["jsonPath"].as_str().and_then(read_path) else { return };
    let value = ["stringValue", "numberValue", "boolValue"]
        .iter()
        .find_map(|key| piece.get(*key).filter(|value| !value.is_null()))
        .cloned()
        .unwrap_or(Value::Null);
    let Some(slot) = steps.iter().try_fold(arguments, descend) else { return };
    match (slot, value) {
        (Value::String(so_far), Value::String(more)) => so_far.push_str(&more),
        (slot, value) => *slot = value,
    }
}

fn descend<'a>(value: &'a mut Value, step: &Step) -> Option<&'a mut Value> {
    match step {
        Step::Key(key) => {
            if value.is_null() {
                *value = Value::Object(Map::new());
            }
            Some(value.as_object_mut()?.entry(key.as_str()).or_insert(Value::Null))
        }
        Step::Index(index) => {
            if value.is_null() {
                *value = Value::Array(Vec::new());
            }
            let items = value.as_array_mut()?;
            while items.len() <= *index {
                items.push(Value::Null);
            }
            items.get_mut(*index)
        }
    }
}

/// `$.a.b[0]['c d']` as steps; `None` for what is no such path.
fn read_path(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if steps.len() >= DEPTH_MAX {
            return None;
        }
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            steps.push(Step::Key(after[..end].to_owned()));
            rest = &after[end..];
            continue;
        }
        let inside = rest.strip_prefix('[')?;
        if let Some(quote @ ('\'' | '"')) = inside.chars().next() {
            let end = inside[1..].find(&format!("{quote}]"))?;
            steps.push(Step::Key(inside[1..=end].to_owned()));
            rest = &inside[end + 3..];
        } else {
            let (index, after) = inside.split_once(']')?;
            let index = index.parse().ok().filter(|index| *index <= INDEX_MAX)?;
            steps.push(Step::Index(index));
            rest = after;
        }
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};
    use serde_json::{Value, json};

    use super::add_piece;

    #[test]
    fn pieces_add_up() {
        let mut arguments = json!({});
        for piece in [
            json!({"jsonPath": "$.city", "stringValue": "New "}),
            json!({"jsonPath": "$.city", "stringValue": "Delhi"}),
            json!({"jsonPath": "$['a b'][1].x", "numberValue": 2}),
            json!({"jsonPath": "$.flag", "boolValue": false}),
            json!({"jsonPath": "$.none", "nullValue": "NULL_VALUE"}),
            json!({"jsonPath": "nonsense", "boolValue": true}),
            json!({"jsonPath": "$.list[99999999]", "boolValue": true}),
        ] {
            add_piece(&mut arguments, &piece);
        }
        let wanted = json!({"city": "New Delhi", "a b": [null, {"x": 2}], "flag": false,
            "none": null, "list": null});
        let mut wanted = wanted;
        wanted.as_object_mut().expect("an object").remove("list");
        assert_eq!(arguments, wanted);
    }

    proptest! {
        #[test]
        fn no_path_panics(path in any::<String>()) {
            add_piece(&mut json!({}), &json!({"jsonPath": path, "stringValue": "x"}));
            add_piece(&mut Value::Null, &json!({"jsonPath": format!("${path}"), "stringValue": "x"}));
        }
    }
}
