//! Time and randomness, injected so that tests own them.

/// Reads the time. Sleeping is the runtime's work; its clock is paused in tests.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970, for records and dated prices.
    fn unix_ms(&self) -> i64;

    /// Milliseconds on a clock that never goes back, for durations and deadlines.
    fn monotonic_ms(&self) -> u64;
}

/// Draws randomness.
pub trait Entropy: Send + Sync + 'static {
    /// Fills the buffer with random bytes.
    fn fill(&self, buffer: &mut [u8]);
}
