//! The known name that a misspelt one most likely stands for.

/// The candidate closest to `name`, when one is close enough to be worth suggesting.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    // A third of the letters wrong is a typing mistake; more is another word.
    let limit = (wanted.chars().count() / 3).clamp(1, 4);
    candidates
        .into_iter()
        .map(|candidate| (distance(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Edits between two words: insertions, deletions, substitutions and swapped neighbours.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=right.len()).collect();
    for i in 1..=left.len() {
        let mut current = vec![i];
        for j in 1..=right.len() {
            let substitution = previous[j - 1] + usize::from(left[i - 1] != right[j - 1]);
            let mut best = substitution.min(previous[j] + 1).min(current[j - 1] + 1);
            if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            current.push(best);
        }
        before = std::mem::replace(&mut previous, current);
    }
    previous[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_the_closest_word_and_nothing_when_all_are_far() {
        let members = ["portMappings", "mountPoints", "image", "essential", "memory", "memoryReservation"];
        let rows = [
            ("portMapings", Some("portMappings")),
            ("PortMappings", Some("portMappings")),
            ("port_mappings", Some("portMappings")),
            ("imgae", Some("image")),
            ("essentail", Some("essential")),
            ("mem", None),
            ("replicas", None),
            ("", None),
        ];
        for (name, expected) in rows {
            assert_eq!(nearest(name, members), expected, "{name}");
        }
    }
}
