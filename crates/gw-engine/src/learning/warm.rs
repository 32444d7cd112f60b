//! Which model answered a conversation last, while its provider's prompt cache may still hold it.
//! Forgotten with the process: then a conversation is routed as a new one.

use std::collections::HashMap;

use parking_lot::Mutex;

/// How long a prompt cache is taken to be warm after an answer, in milliseconds.
const WARM_MS: u64 = 300_000;
/// Conversations of one generation; two are kept.
const GENERATION_MAX: usize = 8_192;

/// Conversations and their models, in two generations: the older one goes when the newer is full.
#[derive(Debug, Default)]
pub(crate) struct Warm {
    state: Mutex<[HashMap<u64, (String, u64)>; 2]>,
}

impl Warm {
    /// The id of the model that is warm for a conversation.
    pub(crate) fn model(&self, thread: u64, now_ms: u64) -> Option<String> {
        let state = self.state.lock();
        let (model, at_ms) = state.iter().find_map(|generation| generation.get(&thread))?;
        (now_ms.saturating_sub(*at_ms) < WARM_MS).then(|| model.clone())
    }

    /// Notes that a model answered.
    pub(crate) fn note(&self, thread: u64, model: &str, now_ms: u64) {
        let mut state = self.state.lock();
        if state[0].len() >= GENERATION_MAX {
            let full = std::mem::take(&mut state[0]);
            state[1] = full;
        }
        state[0].insert(thread, (model.to_owned(), now_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::{GENERATION_MAX, WARM_MS, Warm};

    #[test]
    fn the_last_model_is_warm_for_a_while_and_memory_is_bounded() {
        let warm = Warm::default();
        warm.note(1, "a/one", 10);
        warm.note(1, "a/two", 20);
        assert_eq!(warm.model(1, 30).as_deref(), Some("a/two"));
        assert_eq!(warm.model(1, 20 + WARM_MS), None);
        for thread in 0..3 * GENERATION_MAX as u64 {
            warm.note(thread + 10, "a/one", 30);
        }
        assert_eq!(warm.model(1, 31), None);
        assert!(warm.state.lock().iter().all(|generation| generation.len() <= GENERATION_MAX));
    }
}
