//! Tool arguments between JSON text, as the model wrote it, and the object that some formats want.

use serde_json::{Value, json};

/// Holds the text of tool arguments that are not a JSON object, where the format wants one. A model
/// or client that wrote such arguments gets them back unchanged.
const RAW_ARGUMENTS: &str = "_raw_arguments";

/// The arguments of a call as JSON text.
pub(crate) fn read(input: &Value) -> String {
    if let Value::Object(object) = input
        && object.len() == 1
        && let Some(Value::String(raw)) = object.get(RAW_ARGUMENTS)
    {
        return raw.clone();
    }
    input.to_string()
}

/// The arguments of a call as an object: `{}` for none, and any text that is not a JSON object held
/// in one member, so that nothing is lost.
pub(crate) fn write(arguments: &str) -> Value {
    if arguments.trim().is_empty() {
        return json!({});
    }
    match serde_json::from_str(arguments) {
        Ok(Value::Object(object)) => Value::Object(object),
        _ => json!({ RAW_ARGUMENTS: arguments }),
    }
}
