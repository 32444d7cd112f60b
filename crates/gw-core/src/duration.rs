//! Lengths of time as people write them: `90m`, `24h`, `30d`, `4w`. One reader for the command line,
//! the HTTP surface and windows of budgets.

/// Units by their letter, longest first, in milliseconds.
const UNITS: [(&str, u64); 5] =
    [("w", 7 * 86_400_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];

/// What [`parse_ms`] reads, for error messages.
pub const FORMS: &str = "30s, 90m, 24h, 30d or 4w";

/// Milliseconds of a whole number with a unit (`s`, `m`, `h`, `d`, `w`); `None` for anything else.
pub fn parse_ms(text: &str) -> Option<u64> {
    let text = text.trim();
    let (_, unit_ms) = UNITS.into_iter().find(|(unit, _)| text.ends_with(unit))?;
    let digits = &text[..text.len() - 1];
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(unit_ms)
}

/// The shortest text that [`parse_ms`] reads back; parts of a second are cut off.
pub fn format_ms(length_ms: u64) -> String {
    let fits = |unit_ms: u64| length_ms >= unit_ms && length_ms.is_multiple_of(unit_ms);
    let (unit, unit_ms) =
        UNITS.into_iter().find(|(_, unit_ms)| fits(*unit_ms)).unwrap_or(("s", 1_000));
    format!("{}{unit}", length_ms / unit_ms)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::{format_ms, parse_ms};

    #[test]
    fn whole_numbers_with_a_unit_are_read() {
        assert_eq!(parse_ms("90m"), Some(5_400_000));
        assert_eq!(parse_ms(" 0s "), Some(0));
        for wrong in ["", "d", "1", "1.5h", "-1h", "+1h", "1 h", "1y", "1hh", "99999999999999999w"]
        {
            assert_eq!(parse_ms(wrong), None, "{wrong}");
        }
        assert_eq!(format_ms(86_400_000), "1d");
        assert_eq!(format_ms(90 * 60_000), "90m");
        assert_eq!(format_ms(0), "0s");
    }

    proptest! {
        #[test]
        fn text_reads_back(seconds in any::<u32>()) {
            let length_ms = u64::from(seconds) * 1_000;
            prop_assert_eq!(parse_ms(&format_ms(length_ms)), Some(length_ms));
        }
    }
}
