//! Tells people that spending passed a threshold: the log at once, a webhook through a bounded queue.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use gw_config::section::alerts::Webhook;
use gw_core::budget::Amount;
use gw_core::seam::{Clock, Entropy, OutgoingRequest, Timeouts};
use gw_core::{CallId, ProviderId};
use gw_ledger::{Alert, BudgetAlert};
use gw_net::Client;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::money::Counters;

/// Messages that wait for the webhook; what comes beyond stands in the log only.
const WAITING_MAX: usize = 256;

/// Tries at one message, and the pause after the first; each later one is twice as long.
const TRIES_MAX: u32 = 8;
const FIRST_PAUSE_MS: u64 = 500;

/// Most bytes read of the webhook's answer.
const ANSWER_BYTES_MAX: usize = 4 * 1024;

/// Lines of `/health` about budgets at most.
const LINES_MAX: usize = 50;

/// Takes alerts from the thread that settles; never blocks.
#[derive(Clone)]
pub(crate) struct Alarm {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    queue: Option<mpsc::Sender<Message>>,
}

/// Posts messages to the webhook.
pub(crate) struct Messenger {
    client: Client,
    clock: Arc<dyn Clock>,
    url: SecretString,
    key: hmac::Key,
    queue: mpsc::Receiver<Message>,
}

struct Message {
    id: String,
    body: Bytes,
}

/// The alarm, and the messenger where a webhook is configured.
pub(crate) fn alarm(
    webhook: &Webhook,
    client: &Client,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
) -> (Alarm, Option<Messenger>) {
    let (clock, entropy) = (Arc::clone(clock), Arc::clone(entropy));
    let (Some(url), Some(secret)) = (&webhook.url, &webhook.secret) else {
        return (Alarm { clock, entropy, queue: None }, None);
    };
    let (sender, queue) = mpsc::channel(WAITING_MAX);
    let messenger = Messenger {
        client: client.clone(),
        clock: Arc::clone(&clock),
        url: url.clone().into_inner(),
        key: hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes()),
        queue,
    };
    (Alarm { clock, entropy, queue: Some(sender) }, Some(messenger))
}

impl Alarm {
    /// What this process spent in all passed `COST_ALERT_THRESHOLD`.
    pub(crate) fn total(&self, alert: &Alert) {
        tracing::warn!(
            spent = %alert.spent,
            threshold = %alert.threshold,
            "spending since the start passed COST_ALERT_THRESHOLD"
        );
        self.send(json!({
            "type": "total.threshold",
            "threshold_usd": alert.threshold.to_usd_string(),
            "spent_usd": alert.spent.to_usd_string(),
        }));
    }

    /// A budget reached one of its thresholds.
    pub(crate) fn budget(&self, alert: &BudgetAlert) {
        let BudgetAlert { percent, status } = alert;
        tracing::warn!(
            budget = %status.budget.id,
            scope = %status.budget.scope,
            percent,
            spent = %status.spent,
            cap = %status.budget.cap,
            "a budget reached its threshold"
        );
        self.send(json!({
            "type": "budget.threshold",
            "budget": status.budget.id,
            "scope": status.budget.scope,
            "percent": percent,
            "spent": amount(status.spent),
            "cap": amount(status.budget.cap),
            "is_hard": status.budget.is_hard,
        }));
    }

    fn send(&self, mut message: Value) {
        let Some(queue) = &self.queue else { return };
        let id = CallId::new(self.clock.as_ref(), self.entropy.as_ref()).to_string();
        message["id"] = Value::from(id.clone());
        message["at_ms"] = Value::from(self.clock.unix_ms());
        let body = Bytes::from(message.to_string());
        if queue.try_send(Message { id, body }).is_err() {
            tracing::error!("an alert was not sent: too many wait for alerts.webhook.url");
        }
    }
}

impl Messenger {
    /// Posts what comes, one after the other, until `stop` is dropped and all that waited is posted.
    pub(crate) async fn run(mut self, mut stop: oneshot::Receiver<()>) {
        let mut is_stopping = false;
        loop {
            let message = tokio::select! {
                biased;
                message = self.queue.recv() => message,
                _ = &mut stop, if !is_stopping => {
                    is_stopping = true;
                    self.queue.close();
                    continue;
                }
            };
            let Some(message) = message else { return };
            self.deliver(&message).await;
        }
    }

    async fn deliver(&self, message: &Message) {
        let mut pause_ms = FIRST_PAUSE_MS;
        for left in (0..TRIES_MAX).rev() {
            match self.post(message).await {
                Ok(()) => return,
                Err(why) if left == 0 => {
                    tracing::error!(alert = %message.id, why, "an alert could not be delivered");
                }
                Err(why) => {
                    tracing::warn!(alert = %message.id, why, pause_ms, "an alert is sent again");
                    tokio::time::sleep(Duration::from_millis(pause_ms)).await;
                    pause_ms = pause_ms.saturating_mul(2);
                }
            }
        }
    }

    /// One try; the words of what went wrong, without the address.
    async fn post(&self, message: &Message) -> Result<(), String> {
        let request = OutgoingRequest {
            provider: ProviderId::from("alerts.webhook"),
            method: Method::POST,
            url: self.url.expose_secret().to_owned(),
            headers: self.headers(message),
            body: message.body.clone(),
            timeouts: Timeouts {
                connect_ms: 5_000,
                first_byte_ms: 10_000,
                idle_ms: 10_000,
                total_ms: 15_000,
            },
            response_bytes_max: ANSWER_BYTES_MAX,
        };
        let answer =
            self.client.deliver(request).await.map_err(|error| error.message().to_owned())?;
        let status = answer.status;
        let mut body = answer.body;
        // Read, so that the connection can be used again.
        while let Some(Ok(_)) = body.next().await {}
        if (200..300).contains(&status) { Ok(()) } else { Err(format!("status {status}")) }
    }

    fn headers(&self, message: &Message) -> HeaderMap {
        let timestamp = (self.clock.unix_ms().div_euclid(1_000)).to_string();
        let signed = [timestamp.as_bytes(), b".", &message.body].concat();
        let signature = hmac::sign(&self.key, &signed);
        let hexadecimal: String =
            signature.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, text) in [
            ("x-gateway-event-id", message.id.clone()),
            ("x-gateway-timestamp", timestamp),
            ("x-gateway-signature", format!("v1={hexadecimal}")),
        ] {
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(name, value);
            }
        }
        headers
    }
}

fn amount(amount: Amount) -> Value {
    match amount {
        Amount::Dollars(money) => json!({"usd": money.to_usd_string()}),
        Amount::Tokens(tokens) => json!({"tokens": tokens}),
    }
}

/// What `/health` says of budgets that are past a threshold now, and of the total of this process.
pub(crate) fn lines(budgets: &Counters, threshold: gw_core::Money) -> Vec<String> {
    let mut lines = Vec::new();
    if budgets.is_cut_off() {
        lines.push(
            "the Redis that gateways share does not answer: budgets hold by what is leased, and \
             `redis_loss` says what happens beyond"
                .to_owned(),
        );
    }
    let spent = budgets.spent();
    if threshold > gw_core::Money::ZERO && spent >= threshold {
        lines.push(format!(
            "spending since the start ({spent}) passed COST_ALERT_THRESHOLD ({threshold})"
        ));
    }
    let passed = budgets.statuses().into_iter().filter_map(|status| {
        let (spent, cap) = (status.spent.number(), status.budget.cap.number());
        let is_passed =
            |percent: &&u16| spent.saturating_mul(100) >= cap.saturating_mul(i128::from(**percent));
        let percent = status.budget.alerts.iter().filter(is_passed).max()?;
        Some(format!(
            "budget `{}` of {} passed {percent} % of {}: {} spent",
            status.budget.id, status.budget.scope, status.budget.cap, status.spent
        ))
    });
    lines.extend(passed.take(LINES_MAX));
    lines
}
