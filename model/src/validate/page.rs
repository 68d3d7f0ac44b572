//! Pages of lists: `maxResults`, and a `nextToken` that says after which entry to go on.
//!
//! A token holds the sort key of the last entry of its page, so that entries which come and go meanwhile neither repeat
//! nor hide others.

use std::cmp::Ordering;
use std::fmt::Write as _;
use std::str::FromStr;

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
        Some(token) => Some(key_of(token).ok_or_else(invalid_token)?),
    };
    Ok(Bounds { after, limit })
}

/// The page of a list of what there is none of.
pub(super) fn none<T>(next_token: Option<&str>, max_results: Option<i32>) -> Result<Page<T>, ApiError> {
    parse(next_token, max_results, DEFAULT_RESULTS).map(|_| Page { items: Vec::new(), next_token: None })
}

fn invalid_token() -> ApiError {
    ApiError::invalid("Invalid token. Use the nextToken of the page before, unchanged.")
}

// === impl Bounds ===

impl Bounds {
    /// The key of the last entry of the page before.
    pub fn after<K: FromStr>(&self) -> Result<Option<K>, ApiError> {
        self.after.as_deref().map(|key| key.parse().map_err(|_| invalid_token())).transpose()
    }

    /// The same, of entries whose keys are names.
    pub fn after_name<K: for<'a> From<&'a str>>(&self) -> Option<K> {
        self.after.as_deref().map(K::from)
    }

    /// Takes the page from entries that are those after [`Self::after`], in the order of their keys. No more of them are
    /// looked at than the page has, and one.
    pub fn take<T>(self, items: impl IntoIterator<Item = T>, key: impl Fn(&T) -> String) -> Page<T> {
        let mut left = items.into_iter();
        let items: Vec<T> = left.by_ref().take(self.limit).collect();
        let more = left.next().is_some();
        let next_token = items.last().filter(|_| more).map(|last| token_of(&key(last)));
        Page { items, next_token }
    }

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
    fn a_page_that_is_taken_looks_at_one_entry_more_than_it_has() {
        let words = ["a", "b", "c", "d", "e"];
        let looked_at = std::cell::Cell::new(0);
        let after = |last: Option<String>| {
            let left = words.iter().filter(move |word| last.as_deref().is_none_or(|last| **word > last));
            left.inspect(|_| looked_at.set(looked_at.get() + 1)).map(ToString::to_string)
        };
        let (mut token, mut pages) = (None::<String>, Vec::new());
        loop {
            let bounds = parse(token.as_deref(), Some(2), 100).expect("valid");
            let page = bounds.clone().take(after(bounds.after().expect("a word")), String::clone);
            pages.push((page.items.concat(), looked_at.take()));
            token = page.next_token;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(pages, [("ab".to_owned(), 3), ("cd".to_owned(), 3), ("e".to_owned(), 1)]);
        let foreign = parse(Some("7a"), None, 100).expect("it is a token").after::<crate::id::TaskId>();
        assert_eq!(foreign.expect_err("of another list").exception.name(), "InvalidParameterException");
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
