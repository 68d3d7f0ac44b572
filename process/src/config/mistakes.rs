//! Finds every mistake of a TOML text, though serde stops at the first.
//!
//! What serde refuses has a place in the text. The value there is taken out, which leaves its default, and the
//! rest is read again, until nothing is refused. Each turn takes out at least one value, so it ends. A member that
//! has no default cannot be taken out of the top: there the search ends with what it has found.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Deserializer};

type Root<'i> = Spanned<DeTable<'i>>;

pub(super) fn load<T: DeserializeOwned + Default>(text: &str) -> Result<(T, Vec<String>), Vec<String>> {
    let (mut root, syntax) = DeTable::parse_recoverable(text);
    if !syntax.is_empty() {
        return Err(in_order(text, &syntax));
    }
    let (mut mistakes, mut removed) = (Vec::new(), Vec::new());
    loop {
        let mut unknown = Vec::new();
        let error = match read::<T>(root.clone(), &mut unknown) {
            Ok(loaded) if mistakes.is_empty() => return Ok((loaded, unknown)),
            Ok(_with_defaults) => return Err(in_order(text, &mistakes)),
            Err(error) => error,
        };
        // What lacks at the top has the empty place before the first key, and must not take that key with it.
        let place = error.span().filter(|span| !span.is_empty());
        let key = place.and_then(|span| remove(root.get_mut(), &span));
        if !is_our_doing(&error, &removed) {
            mistakes.push(error);
        }
        match key {
            Some(key) => removed.push(key),
            None => return Err(in_order(text, &mistakes)),
        }
    }
}

/// What has no default is missing once it was taken out, which nobody but us is to blame for.
fn is_our_doing(error: &toml::de::Error, removed: &[String]) -> bool {
    removed.iter().any(|key| error.message() == format!("missing field `{key}`"))
}

fn read<T: DeserializeOwned>(root: Root<'_>, unknown: &mut Vec<String>) -> Result<T, toml::de::Error> {
    serde_ignored::deserialize(Deserializer::from(root), |path| unknown.push(path.to_string()))
}

/// Takes out the innermost entry that the span lies in, and returns its key. `None` when it lies in none.
fn remove(table: &mut DeTable<'_>, span: &Range<usize>) -> Option<String> {
    let holder = table.iter().find(|(key, value)| covers(&key.span(), span) || covers(&value.span(), span));
    let Some(key) = holder.map(|(key, _)| key.clone()) else {
        // A table that was opened by a header covers only the header.
        return table.iter_mut().find_map(|(_, value)| remove_within(value.get_mut(), span));
    };
    let within = table.get_mut(&key).and_then(|value| remove_within(value.get_mut(), span));
    within.or_else(|| table.remove(&key).map(|_| key.get_ref().to_string()))
}

fn remove_within(value: &mut DeValue<'_>, span: &Range<usize>) -> Option<String> {
    match value {
        DeValue::Table(table) => remove(table, span),
        DeValue::Array(items) => {
            let within = items.iter_mut().find_map(|item| remove_within(item.get_mut(), span));
            within.or_else(|| remove_item(items, span))
        }
        _ => None,
    }
}

/// A table in a list is taken out whole when it lacks a member. A list can only be built anew.
fn remove_item(items: &mut DeArray<'_>, span: &Range<usize>) -> Option<String> {
    let lacking = |item: &Spanned<DeValue<'_>>| {
        matches!(item.get_ref(), DeValue::Table(_)) && covers(&item.span(), span)
    };
    let position = items.iter().position(lacking)?;
    let mut kept = DeArray::new();
    for (_, item) in items.iter().enumerate().filter(|(index, _)| *index != position) {
        kept.push(item.clone());
    }
    *items = kept;
    Some(position.to_string())
}

fn covers(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// From the top of the text to its end.
fn in_order(text: &str, mistakes: &[toml::de::Error]) -> Vec<String> {
    let mut sorted: Vec<_> = mistakes.iter().collect();
    sorted.sort_by_key(|mistake| mistake.span().map(|span| span.start));
    sorted.into_iter().map(|mistake| describe(text, mistake)).collect()
}

/// `line 3, column 12: what is wrong`.
fn describe(text: &str, error: &toml::de::Error) -> String {
    let message = error.message().trim().replace('\n', ", ");
    let Some(span) = error.span() else {
        return message;
    };
    let before = &text[..text.floor_char_boundary(span.start)];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    let column = before[line_start..].chars().count() + 1;
    format!("line {line}, column {column}: {message}")
}
