//! Has a person agree before a model that costs something answers, where the client can ask one.
//!
//! A free model that is first in line is asked without a question, and then nothing but free models:
//! a fallback never spends unasked.

use std::collections::BTreeSet;

use gw_core::{Error, Kind};
use gw_engine::{Escalation, Preview};
use gw_mcp::{Consent, OwnCall};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::escalation;

/// Clients whose "do not ask again" is remembered; more than that are asked again.
const REMEMBERED_MAX: usize = 10_000;

/// Who said that it need not be asked again, as long as the process lives.
#[derive(Default)]
pub(super) struct Consents(Mutex<BTreeSet<String>>);

impl Consents {
    /// True for a client that need not be asked.
    pub(super) fn knows(&self, client: &str) -> bool {
        self.0.lock().contains(client)
    }

    /// Asks, and remembers where that is wished.
    ///
    /// # Errors
    /// [`Kind::Forbidden`] where the person did not agree.
    pub(super) async fn ask(&self, call: &OwnCall, preview: &Preview) -> Result<(), Error> {
        let said = call.confirm(&question(preview), &schema()).await;
        let filled_in = match said {
            Consent::NotAsked => return Ok(()),
            Consent::Accepted(filled_in) => filled_in,
            Consent::Declined => {
                let text = format!("nobody agreed to pay for `{}`", preview.model_id);
                return Err(Error::new(Kind::Forbidden, text).with_hint(
                    "Ask for a free model (`layer`: L0), or set mcp.confirm_paid = false.",
                ));
            }
        };
        if filled_in.get("remember").and_then(Value::as_bool) == Some(true) {
            let mut known = self.0.lock();
            if known.len() < REMEMBERED_MAX {
                known.insert(call.client().to_owned());
            }
        }
        Ok(())
    }
}

/// Asks whether a higher layer shall answer as well. Who cannot be asked, or says no, keeps the answer
/// so far.
pub(super) async fn wants_more(call: &OwnCall, offer: &Escalation) -> bool {
    let schema = json!({"type": "object", "properties": {}});
    matches!(call.confirm(&escalation::question(offer), &schema).await, Consent::Accepted(_))
}

fn question(preview: &Preview) -> String {
    let cost = match &preview.worst_case {
        Some(most) => format!("costs at most ${}", most.to_usd_string()),
        None => "has no known price".to_owned(),
    };
    format!("`{}` (layer {}) would answer, which {cost}. Ask it?", preview.model_id, preview.layer)
}

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "remember": {
                "type": "boolean",
                "title": "Do not ask again",
                "description": "Paid models are asked without a question from now on",
                "default": false,
            },
        },
    })
}
