//! Environment files: lines of `NAME=VALUE`, as the ECS agent reads them. No shell has a say.

/// The variables of a file, in its order. What is no assignment is passed over, as the ECS agent does.
pub fn parse(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().map(str::trim_start).filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.trim_end_matches('\r').split_once('='));
    pairs
        .filter(|(name, _)| !name.is_empty() && !name.contains(char::is_whitespace))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_equals_signs_are_part_of_the_value() {
        let text = "# comment\nA=1\r\n\n  B=\"x y\"\nC=a=b\nD=\nnonsense\nnot a name=1\n=x\n";
        let expected = [("A", "1"), ("B", "\"x y\""), ("C", "a=b"), ("D", "")];
        assert_eq!(parse(text), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
