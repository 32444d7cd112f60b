//! What an instance and the script in Redis say to each other. Amounts are texts: they go beyond what
//! the script's numbers hold exactly.

use serde::{Deserialize, Serialize};

/// An amount as decimal text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Num(pub(crate) i128);

impl Serialize for Num {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Num {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

/// A slot and what was spent in it in all.
pub(crate) type SlotSum = (String, Num);

/// Which counter is meant, and how it works.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counter {
    pub(crate) k: String,
    /// It has a base in the durable store.
    pub(crate) base: bool,
    /// Its slots are seconds of Redis's clock.
    pub(crate) minute: bool,
    /// Slots leave it.
    pub(crate) moves: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ttl: Option<i64>,
}

/// How one counter stands at this instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Standing {
    #[serde(flatten)]
    pub(crate) counter: Counter,
    /// The most that may be spent and held; `None`: it only counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cap: Option<Num>,
    /// What this instance spent in slots that changed: totals.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) slots: Vec<SlotSum>,
    /// Slots that it will not tell of again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) drop: Vec<String>,
    /// What it holds from this message on, beyond what was spent.
    pub(crate) keep: Num,
    /// What it would like to hold beyond that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) want: Option<Num>,
    /// The last recall that it heeded.
    pub(crate) ack: u64,
    /// It has never heard what Redis has under its own name.
    pub(crate) fresh: bool,
}

/// One account of a claim: place in the list of counters, amount, and whether the other instances
/// are yet to be asked.
pub(crate) type Ask = (usize, Num, bool);

/// Everything an instance may ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub(crate) enum Request {
    Join {
        i: String,
        lease: u64,
        seq: u64,
        /// The id of a new generation, should there be none.
        fresh: String,
        /// A generation that lost what it was told.
        #[serde(skip_serializing_if = "Option::is_none")]
        bad: Option<String>,
        /// Instances that may still be alive and hold something, this one among them.
        expect: Vec<String>,
    },
    Sync(Box<Sync>),
    Seed {
        i: String,
        lease: u64,
        era: String,
        account: Counter,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        rest: Vec<SlotSum>,
        /// Instance, slot, amount.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        owns: Vec<(String, String, Num)>,
    },
    Reap {
        i: String,
        lease: u64,
        era: String,
        dead: String,
        /// The dead one goes with this message.
        last: bool,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        accounts: Vec<DeadSpent>,
    },
    Leave {
        i: String,
        lease: u64,
    },
}

/// What a dead instance spent on one counter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct DeadSpent {
    #[serde(flatten)]
    pub(crate) counter: Counter,
    pub(crate) slots: Vec<SlotSum>,
}

/// The message that is sent all the time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Sync {
    pub(crate) i: String,
    pub(crate) lease: u64,
    pub(crate) era: String,
    pub(crate) seq: u64,
    /// The last message that was answered.
    pub(crate) acked: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) accounts: Vec<Standing>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) claims: Vec<Vec<Ask>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) gone: Vec<String>,
    /// After a loss of Redis: with this message all is told again.
    pub(crate) ready: bool,
}

/// Every answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Reply {
    pub(crate) now: u64,
    pub(crate) again: Option<Again>,
    pub(crate) era: Option<String>,
    /// Live instances.
    pub(crate) count: u32,
    /// When Redis last heard of that known instance which was silent for longest, by its clock.
    pub(crate) oldest: u64,
    /// Nothing is granted before everyone told what they hold.
    pub(crate) waiting: bool,
    pub(crate) accounts: Vec<Told>,
    pub(crate) claims: Vec<Answer>,
    /// Counters of which unused leases are wanted back, with the number of the recall.
    pub(crate) recalled: Vec<(String, u64)>,
    pub(crate) dead: Vec<String>,
    pub(crate) alive: bool,
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Again {
    /// Redis does not know this instance or its generation.
    Join,
    /// Redis forgot messages that it had answered.
    Lost,
    /// A later message came first.
    Stale,
}

/// How a counter stands in Redis.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Told {
    pub(crate) lease: Num,
    pub(crate) spent: Num,
    pub(crate) held: Num,
    /// Spent before this message.
    pub(crate) before: Num,
    pub(crate) seeded: bool,
    /// The last recall.
    pub(crate) round: u64,
    /// The last recall that every other holder heeded.
    pub(crate) acked: u64,
    pub(crate) own: Vec<SlotSum>,
    /// Seconds of a minute that refuses.
    pub(crate) slots: Vec<SlotSum>,
}

/// What became of a claim.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Answer {
    pub(crate) g: bool,
    /// Places of counters that cannot pay.
    pub(crate) lacks: Vec<usize>,
}
