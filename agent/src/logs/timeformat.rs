//! `awslogs-datetime-format`: from a format of strftime to the pattern of a line that has such a time.

const DAYS: &str = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)";
const FULL_DAYS: &str = "(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)";
const MONTHS: &str = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)";
const FULL_MONTHS: &str =
    "(?:January|February|March|April|May|June|July|August|September|October|November|December)";

/// The pattern. What is no directive stands for itself.
pub(super) fn pattern(format: &str) -> String {
    let mut pattern = String::new();
    let mut chars = format.chars();
    while let Some(char) = chars.next() {
        match (char, if char == '%' { chars.next() } else { None }) {
            ('%', Some(directive)) => match of(directive) {
                Some(part) => pattern.push_str(part),
                None => pattern.push_str(&regex::escape(&format!("%{directive}"))),
            },
            (char, _) => pattern.push_str(&regex::escape(char.encode_utf8(&mut [0; 4]))),
        }
    }
    pattern
}

/// Source: Docker's awslogs driver, which has these and no others.
const fn of(directive: char) -> Option<&'static str> {
    Some(match directive {
        'a' => DAYS,
        'A' => FULL_DAYS,
        'w' => "[0-6]",
        'd' => "(?:0[1-9]|[12][0-9]|3[01])",
        'b' => MONTHS,
        'B' => FULL_MONTHS,
        'm' => "(?:0[1-9]|1[0-2])",
        'Y' => r"\d{4}",
        'y' => r"\d{2}",
        'H' => "(?:[01][0-9]|2[0-3])",
        'I' => "(?:0[0-9]|1[0-2])",
        'p' => "[AP]M",
        'M' | 'S' => "[0-5][0-9]",
        'f' => r"\d{6}",
        'z' => r"[+-]\d{4}",
        'Z' => "[A-Z]{1,4}T",
        'j' => r"[0-3]\d{2}",
        'L' => r"\.\d{3}",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_finds_its_times_and_no_others() {
        let rows = [
            ("%Y-%m-%d %H:%M:%S", "2026-11-21 20:15:59 ERROR", true),
            ("%Y-%m-%d %H:%M:%S", "  at main.rs:7", false),
            ("%Y-%m-%d %H:%M:%S", "2026-13-21 20:15:59", false),
            ("[%b %d, %Y %H:%M:%S]", "[Nov 21, 2026 20:15:59] up", true),
            ("%d/%B/%y %I:%M %p", "05/March/26 09:30 PM", true),
            ("100%%", "100%%", true),
        ];
        for (format, line, expected) in rows {
            let regex = regex::Regex::new(&pattern(format)).expect(format);
            assert_eq!(regex.is_match(line), expected, "{format} in {line}");
        }
    }
}
