//! Pages of lists: `maxResults`, and a `nextToken` that says after which entry to go on.
//!
//! A token holds the sort key of the last entry of its page, so that entries which come and go meanwhile neither repeat
//! nor hide others.

use std::cmp::Ordering;
use std::fmt::Write as _;

use crate::error::ApiError;

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// Its entries.
    pub items: Vec<T>,
    /// Where the next page begins, if there is one.
    pub next_token: Option<String>,
}

/// Which page is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    after: Option<String>,
    limit: usize,
}

/// The order of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Smallest key first.
    Ascending,
    /// Largest key first.
    Descending,
}

/// Most entries of a page. Source: ECS API, every List operation.
pub const MAX_RESULTS: i32 = 100;

/// Entries of a page when the request does not say, but for ListServices.
pub const DEFAULT_RESULTS: usize = 100;

/// Reads the paging members of a request whose pages have `default` entries unless it says otherwise.
pub fn parse(next_token: Option<&str>, max_results: Option<i32>, default: usize) -> Result<Bounds, ApiError> {
    let limit = match max_results {
        None => default,
        Some(asked @ 1..=MAX_RESULTS) => usize::try_from(asked).unwrap_or(default),
        Some(asked) => {
            let message = format!("maxResults must be between 1 and {MAX_RESULTS}, is {asked}.");
            return Err(ApiError::invalid(message));
        }
    };
    let after = match next_token.filter(|token| !token.is_empty()) {
        None => None,
        Some(token) => Some(key_of(token).ok_or_else(|| {
            ApiError::invalid("Invalid token. Use the nextToken of the page before, unchanged.")
        })?),
    };
    Ok(Bounds { after, limit })
}

/// The page of a list of what there is none of.
pub(super) fn none<T>(next_token: Option<&str>, max_results: Option<i32>) -> Result<Page<T>, ApiError> {
    parse(next_token, max_results, DEFAULT_RESULTS).map(|_| Page { items: Vec::new(), next_token: None })
}

// === impl Bounds ===

impl Bounds {
    /// Cuts the page out of a whole list. `key` must differ between entries; the list is sorted by it.
    pub fn cut<T>(
        self,
        items: impl IntoIterator<Item = T>,
        order: Order,
        key: impl Fn(&T) -> String,
    ) -> Page<T> {
        let compare = |a: &str, b: &str| match order {
            Order::Ascending => a.cmp(b),
            Order::Descending => b.cmp(a),
        };
        let is_left =
            |key: &str| self.after.as_deref().is_none_or(|after| compare(key, after) == Ordering::Greater);
        let mut left: Vec<(String, T)> =
            items.into_iter().map(|item| (key(&item), item)).filter(|(key, _)| is_left(key)).collect();
        let more = left.len() > self.limit;
        if more {
            // Only the page itself has to be sorted, however long the rest is.
            left.select_nth_unstable_by(self.limit, |(a, _), (b, _)| compare(a, b));
            left.truncate(self.limit);
        }
        left.sort_unstable_by(|(a, _), (b, _)| compare(a, b));
        let next_token = left.last().filter(|_| more).map(|(key, _)| token_of(key));
        Page { items: left.into_iter().map(|(_, item)| item).collect(), next_token }
    }
}

/// Hexadecimal, because clients pass tokens through shells and URLs.
fn token_of(key: &str) -> String {
    key.bytes().fold(String::with_capacity(key.len() * 2), |mut token, byte| {
        write!(token, "{byte:02x}").expect("writing into a string cannot fail");
        token
    })
}

fn key_of(token: &str) -> Option<String> {
    let digits: Option<Vec<u8>> =
        token.chars().map(|char| char.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    let bytes = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_join_to_the_whole_list_in_either_order() {
        let words: Vec<String> = ["d", "a", "c", "e", "b"].map(str::to_owned).to_vec();
        for (order, expected) in [(Order::Ascending, "abcde"), (Order::Descending, "edcba")] {
            let (mut token, mut seen) = (None::<String>, String::new());
            loop {
                let bounds = parse(token.as_deref(), Some(2), 100).expect("valid");
                let page = bounds.cut(words.clone(), order, String::clone);
                seen.extend(page.items);
                token = page.next_token;
                if token.is_none() {
                    break;
                }
            }
            assert_eq!(seen, expected);
        }
    }

    #[test]
    fn a_page_goes_on_although_its_last_entry_is_gone() {
        let first =
            parse(None, Some(2), 100)
                .expect("valid")
                .cut(["a", "b", "c", "d"], Order::Ascending, |word| (*word).to_owned());
        let next = parse(first.next_token.as_deref(), None, 100).expect("valid");
        let page = next.cut(["a", "c", "d"], Order::Ascending, |word| (*word).to_owned());
        assert_eq!(page, Page { items: vec!["c", "d"], next_token: None });
    }

    #[test]
    fn refuses_limits_and_tokens_that_it_never_gave() {
        let rows =
            [(None, Some(0)), (None, Some(101)), (None, Some(-1)), (Some("xyz"), None), (Some("abc"), None)];
        for (token, max_results) in rows {
            let error = parse(token, max_results, 100).expect_err("refused");
            assert_eq!(error.exception.name(), "InvalidParameterException", "{token:?} {max_results:?}");
        }
        assert!(parse(Some(""), None, 100).is_ok(), "an empty token is none");
    }
}
