//! Times as people say them: `3m` ago, `--since 5m`, `14:03:22`.

use std::time::Duration;

use prost_types::Timestamp;

/// How long ago `time` was, in one unit.
pub(crate) fn age(time: Option<&Timestamp>, now_unix_ms: i64) -> String {
    match time {
        Some(time) => span_ms(now_unix_ms.saturating_sub(unix_ms(time))),
        None => String::new(),
    }
}

/// A length of time in the unit that leaves one to three digits.
pub(crate) fn span_ms(span_ms: i64) -> String {
    let seconds = span_ms.max(0) / 1_000;
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        172_800..63_072_000 => format!("{}d", seconds / 86_400),
        _ => format!("{}y", seconds / 31_536_000),
    }
}

/// Milliseconds since 1970.
pub(crate) fn unix_ms(time: &Timestamp) -> i64 {
    time.seconds.saturating_mul(1_000).saturating_add(i64::from(time.nanos / 1_000_000))
}

/// The time of day in UTC, for a line of a log: `14:03:22`.
pub(crate) fn time_of_day(time: &Timestamp) -> String {
    let second = time.seconds.rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60)
}

/// Date and time to the second in UTC.
pub(crate) fn date_time(time: Option<&Timestamp>) -> String {
    match time {
        Some(time) => Timestamp { seconds: time.seconds, nanos: 0 }.to_string(),
        None => String::new(),
    }
}

/// Reads `90`, `90s`, `5m`, `1h30m`, `2d` or `250ms`; a bare number counts seconds.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a length of time: write it as 90s, 5m or 1h30m");
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let mut total_ms: u64 = 0;
    let mut rest = text;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit()).ok_or_else(wrong)?;
        let unit_end = rest[digits..]
            .find(|letter: char| letter.is_ascii_digit())
            .map_or(rest.len(), |length| digits + length);
        let count: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        let unit_ms: u64 = match &rest[digits..unit_end] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        total_ms = count.checked_mul(unit_ms).and_then(|ms| total_ms.checked_add(ms)).ok_or_else(wrong)?;
        rest = &rest[unit_end..];
    }
    Ok(Duration::from_millis(total_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_one_unit() {
        let rows = [
            (-5_000, "0s"),
            (0, "0s"),
            (59_999, "59s"),
            (119_000, "119s"),
            (120_000, "2m"),
            (185_000, "3m"),
            (7_199_000, "119m"),
            (7_200_000, "2h"),
            (47 * 3_600_000, "47h"),
            (48 * 3_600_000, "2d"),
            (400 * 86_400_000, "400d"),
            (800 * 86_400_000, "2y"),
        ];
        for (ms, expected) in rows {
            assert_eq!(span_ms(ms), expected, "{ms} ms");
        }
    }

    #[test]
    fn reads_lengths_of_time() {
        let rows = [
            ("90", Some(90_000)),
            ("90s", Some(90_000)),
            ("5m", Some(300_000)),
            ("1h30m", Some(5_400_000)),
            ("2d", Some(172_800_000)),
            ("250ms", Some(250)),
            ("", None),
            ("m", None),
            ("5 m", None),
            ("5x", None),
            ("-5s", None),
            ("99999999999999999999s", None),
        ];
        for (text, expected_ms) in rows {
            assert_eq!(parse_duration(text).ok(), expected_ms.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn shows_times_in_utc() {
        let time = Timestamp { seconds: 1_732_543_002, nanos: 123_000_000 };
        assert_eq!(time_of_day(&time), "13:56:42");
        assert_eq!(date_time(Some(&time)), "2024-11-25T13:56:42Z");
        assert_eq!(age(Some(&time), 1_732_543_062_000), "59s");
        assert_eq!(age(None, 0), "");
    }
}
