//! Times as RFC 3339 writes them, to and from seconds since 1970.

/// Seconds since 1970 of `2026-08-01T12:30:05.123Z` or `…+02:00`; `None` for anything else.
pub(crate) fn read_rfc3339_s(text: &str) -> Option<i64> {
    let (date, clock) = text.split_once(['T', 't', ' '])?;
    let mut numbers = date.splitn(3, '-').map(|number| number.parse::<i64>().ok());
    let (year, month, day) = (numbers.next()??, numbers.next()??, numbers.next()??);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let zone_at = clock.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = clock.split_at(zone_at);
    let clock = clock.split('.').next()?;
    let mut numbers = clock.splitn(3, ':').map(|number| number.parse::<i64>().ok());
    let (hour, minute, second) = (numbers.next()??, numbers.next()??, numbers.next()??);
    if !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0..=60).contains(&second) {
        return None;
    }
    let offset_s = match zone.split_at_checked(1)? {
        ("Z" | "z", "") => 0,
        (sign, zone) => {
            let (hours, minutes) = zone.split_once(':')?;
            let ahead = hours.parse::<i64>().ok().filter(|it| (0..24).contains(it))? * 3_600
                + minutes.parse::<i64>().ok().filter(|it| (0..60).contains(it))? * 60;
            if sign == "-" { -ahead } else { ahead }
        }
    };
    let days = days_since_1970(year, month, day);
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second - offset_s)
}

/// `2026-08-01T12:30:05Z`.
pub(crate) fn write_rfc3339(seconds: i64) -> String {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Howard Hinnant's `civil_from_days`: years begin in March, so that a leap day comes last.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::{read_rfc3339_s, write_rfc3339};

    #[test]
    fn known_times() {
        assert_eq!(read_rfc3339_s("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(read_rfc3339_s("2024-02-29T12:00:00.5+02:00"), Some(1_709_200_800));
        assert_eq!(write_rfc3339(1_709_200_800), "2024-02-29T10:00:00Z");
        assert_eq!(read_rfc3339_s("2024-02-29"), None);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(seconds in 0_i64..253_402_300_799) {
            prop_assert_eq!(read_rfc3339_s(&write_rfc3339(seconds)), Some(seconds));
        }

        #[test]
        fn nothing_panics(text in any::<String>(), seconds in -62_000_000_000_i64..253_402_300_799) {
            let _ = read_rfc3339_s(&text);
            let _ = write_rfc3339(seconds);
        }
    }
}
