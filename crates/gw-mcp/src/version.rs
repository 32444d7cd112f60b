//! Revisions of the protocol, and which one two sides agree on.

/// A revision. Dates sort as they follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Version {
    /// The first, with HTTP+SSE.
    V2024_11_05,
    /// Streamable HTTP; the only one with batches.
    V2025_03_26,
    /// Structured output, elicitation, the version header.
    V2025_06_18,
    /// Tasks (experimental), URL elicitation; the last with sessions.
    V2025_11_25,
    /// Stateless.
    V2026_07_28,
}

impl Version {
    /// All, oldest first.
    pub(crate) const ALL: [Self; 5] = [
        Self::V2024_11_05,
        Self::V2025_03_26,
        Self::V2025_06_18,
        Self::V2025_11_25,
        Self::V2026_07_28,
    ];

    /// The newest with `initialize`.
    pub(crate) const LEGACY: Self = Self::V2025_11_25;

    /// The newest without.
    pub(crate) const MODERN: Self = Self::V2026_07_28;

    /// As it is written on the wire.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// Reads a version.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.as_str() == text)
    }

    /// True for revisions without sessions.
    pub(crate) fn is_modern(self) -> bool {
        self >= Self::MODERN
    }

    /// What `initialize` is answered with: what was asked for where it is spoken, else the newest
    /// with sessions.
    pub(crate) fn negotiated(asked: &str) -> Self {
        Self::parse(asked).filter(|version| !version.is_modern()).unwrap_or(Self::LEGACY)
    }
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn a_version_that_is_not_spoken_gets_the_newest_with_sessions() {
        for (asked, given) in [
            ("2024-11-05", Version::V2024_11_05),
            ("2025-06-18", Version::V2025_06_18),
            ("2026-07-28", Version::V2025_11_25),
            ("1999-01-01", Version::V2025_11_25),
        ] {
            assert_eq!(Version::negotiated(asked), given);
        }
    }
}
