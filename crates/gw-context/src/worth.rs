//! Whether a shorter prompt is cheaper, given that providers sell a prompt that begins as the last one
//! did for a fraction of its price.

/// What tokens of one model cost, in any one unit for one token. All zero for a free model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prices {
    /// A token read for the first time.
    pub input: u64,
    /// A token read from the provider's prompt cache; that of `input` where there is none.
    pub cache_read: u64,
    /// A token written to it; that of `input` where that costs nothing more.
    pub cache_write: u64,
}

/// True where `turns` calls with a prompt of `short` tokens, the first of them new to the provider's
/// cache, cost less than as many with `long` tokens that it holds, the making of the summary (`extra`)
/// included. A free model is not cheaper either way: there the window is what counts, so it is true.
pub fn is_cheaper(prices: &Prices, long: u64, short: u64, turns: u64, extra: u64) -> bool {
    let Prices { input, cache_read, cache_write } = *prices;
    if input == 0 {
        return short < long;
    }
    let times = |tokens: u64, price: u64| u128::from(tokens) * u128::from(price);
    let turns = u128::from(turns.max(1));
    let first = cache_write.max(input);
    let read = cache_read.min(input);
    let staying = times(long, read) * turns;
    let moving = times(short, first) + times(short, read) * (turns - 1) + u128::from(extra);
    moving < staying
}

#[cfg(test)]
mod tests {
    use super::{Prices, is_cheaper};

    #[test]
    fn a_cached_prompt_is_left_alone_where_little_would_be_saved() {
        // Anthropic's ratios: reading a tenth, writing five quarters.
        let cached = Prices { input: 100, cache_read: 10, cache_write: 125 };
        assert!(!is_cheaper(&cached, 10_000, 6_000, 12, 0));
        assert!(is_cheaper(&cached, 10_000, 3_000, 12, 0));
        assert!(!is_cheaper(&cached, 10_000, 3_000, 1, 0), "one turn never earns it back");
        let plain = Prices { input: 100, cache_read: 100, cache_write: 100 };
        assert!(is_cheaper(&plain, 10_000, 9_000, 1, 0));
        assert!(!is_cheaper(&plain, 10_000, 9_000, 1, 200_000), "the summary costs more");
        assert!(is_cheaper(&Prices::default(), 10_000, 9_999, 1, 0));
    }
}
