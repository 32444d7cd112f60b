//! Tokens: bound, good once, and gone in time.

use std::sync::atomic::{AtomicU8, Ordering};

use gw_core::chat::{ChatRequest, Message, Role};
use gw_core::limits::{PENDING_ESCALATIONS_BYTES_MAX, PENDING_ESCALATIONS_MAX};
use gw_core::seam::Entropy;
use gw_core::{CallId, Kind, Layer};
use proptest::prelude::*;

use super::{Offer, Pending};
use crate::inbound::Confirmation;

/// Every draw is another one.
#[derive(Default)]
struct Counting(AtomicU8, AtomicU8);

impl Entropy for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        let low = self.0.fetch_add(1, Ordering::SeqCst);
        if low == u8::MAX {
            self.1.fetch_add(1, Ordering::SeqCst);
        }
        for (at, byte) in buffer.iter_mut().enumerate() {
            *byte = match at {
                0 => low,
                1 => self.1.load(Ordering::SeqCst),
                _ => 7,
            };
        }
    }
}

struct Zero;

impl gw_core::seam::Clock for Zero {
    fn unix_ms(&self) -> i64 {
        0
    }

    fn monotonic_ms(&self) -> u64 {
        0
    }
}

fn offer(owner: &str, conversation: Option<&str>, text: &str) -> Offer {
    Offer {
        call_id: CallId::new(&Zero, &Counting::default()),
        owner: owner.to_owned(),
        conversation: conversation.map(Into::into),
        from: Layer::L0,
        layer: Layer::L1,
        request: ChatRequest {
            messages: vec![Message::text(Role::User, text)],
            ..ChatRequest::default()
        },
        answer: String::new(),
        conflicts: Vec::new(),
        expires_at_ms: 1_000,
    }
}

fn token(text: &str) -> Confirmation {
    Confirmation::Token(text.to_owned())
}

#[test]
fn a_token_is_good_once_for_its_caller_and_conversation_until_it_ends() {
    let entropy = Counting::default();
    let pending = Pending::new(&entropy);
    let given = token(&pending.keep(offer("key_1", Some("talk"), "q"), &entropy));
    let (talk, other) = ("talk".into(), "other".into());
    let kind = |owner: &str, conversation, now_ms| {
        pending.take(&given, owner, conversation, now_ms).map(|_| ()).map_err(|error| error.kind())
    };
    assert_eq!(kind("key_2", Some(&talk), 0), Err(Kind::Forbidden));
    assert_eq!(kind("", Some(&talk), 0), Err(Kind::Forbidden));
    assert_eq!(kind("key_1", Some(&other), 0), Err(Kind::Forbidden));
    assert_eq!(kind("key_1", Some(&talk), 999), Ok(()));
    let error = pending.take(&given, "key_1", Some(&talk), 999).map(|_| ()).unwrap_err();
    assert!(error.message().contains("used already"), "{}", error.message());
    let late = token(&pending.keep(offer("key_1", None, "q"), &entropy));
    let error = pending.take(&late, "key_1", None, 1_000).map(|_| ()).unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (Kind::Conflict, "the offer to escalate has ended")
    );
}

#[test]
fn another_process_does_not_know_a_token() {
    let entropy = Counting::default();
    let (before, after) = (Pending::new(&entropy), Pending::new(&entropy));
    let given = token(&before.keep(offer("", None, "q"), &entropy));
    let error = after.take(&given, "", None, 0).map(|_| ()).unwrap_err();
    assert_eq!((error.kind(), error.field()), (Kind::NotFound, Some("escalationToken")));
}

#[test]
fn a_yes_in_a_conversation_takes_its_newest_offer() {
    let entropy = Counting::default();
    let pending = Pending::new(&entropy);
    for (owner, conversation, text) in [
        ("k", Some("a"), "old"),
        ("k", Some("a"), "new"),
        ("k", Some("b"), "other"),
        ("x", Some("a"), "foreign"),
    ] {
        pending.keep(offer(owner, conversation, text), &entropy);
    }
    let yes = |conversation: &str| {
        let taken = pending.take(&Confirmation::Conversation, "k", Some(&conversation.into()), 0);
        taken.map(|(_, offer)| offer.request.messages[0].joined_text()).map_err(|it| it.kind())
    };
    assert_eq!(yes("a").as_deref(), Ok("new"));
    assert_eq!(yes("a").as_deref(), Ok("old"));
    assert_eq!(yes("a"), Err(Kind::Conflict));
    assert_eq!(yes("c"), Err(Kind::Conflict));
    let nowhere = pending.take(&Confirmation::Conversation, "k", None, 0).map(|_| ());
    assert_eq!(nowhere.unwrap_err().kind(), Kind::Conflict);
}

#[test]
fn what_gave_no_answer_may_be_said_again() {
    let entropy = Counting::default();
    let pending = Pending::new(&entropy);
    let given = token(&pending.keep(offer("k", None, "q"), &entropy));
    let (id, taken) = pending.take(&given, "k", None, 0).unwrap();
    pending.put_back(id, taken);
    assert!(pending.take(&given, "k", None, 0).is_ok());
}

#[test]
fn offers_are_bounded_by_number_and_by_size() {
    let entropy = Counting::default();
    let pending = Pending::new(&entropy);
    for _ in 0..PENDING_ESCALATIONS_MAX + 10 {
        pending.keep(offer("k", None, "q"), &entropy);
    }
    assert_eq!(pending.waiting.lock().offers.len(), PENDING_ESCALATIONS_MAX);
    let large = "x".repeat(PENDING_ESCALATIONS_BYTES_MAX / 4);
    for _ in 0..8 {
        pending.keep(offer("k", None, &large), &entropy);
    }
    let waiting = pending.waiting.lock();
    assert!(waiting.bytes <= PENDING_ESCALATIONS_BYTES_MAX && waiting.offers.len() == 3);
    assert_eq!(waiting.order.len(), 3);
}

proptest! {
    #[test]
    fn nothing_else_is_a_token(text in ".{0,80}", digits in "[0-9a-f]{64}") {
        let pending = Pending::new(&Counting::default());
        prop_assert!(pending.take(&token(&text), "", None, 0).is_err());
        let forged = format!("esc_{digits}");
        prop_assert!(pending.take(&token(&forged), "", None, 0).is_err());
    }
}
