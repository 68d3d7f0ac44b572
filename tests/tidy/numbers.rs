//! The wire's numbers are for ever: a number once given to a field or an enum value never means something else.
//!
//! `proto.lock` lists every number ever given. A field that goes has to leave a `reserved` behind. What is new is
//! written there by `make proto-lock`; nothing else may change in it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use prost_reflect::DescriptorPool;

use super::assert_clean;
use super::files::root;

/// A type's full name and a number in it, to the name the number has.
type Numbers = BTreeMap<(String, i32), String>;

/// What the schema says now.
#[derive(Default)]
struct Schema {
    numbers: Numbers,
    /// Numbers that are reserved, as ranges with both ends in them.
    reserved: Vec<(String, i32, i32)>,
    types: Vec<String>,
}

#[test]
fn no_number_of_the_wire_is_used_twice() {
    let schema = Schema::compiled_in();
    let locked = parse(&std::fs::read_to_string(lock_path()).unwrap_or_default());
    let mut objections = changes(&schema, &locked);
    if objections.is_empty() && std::env::var_os("BERTH_UPDATE_PROTO_LOCK").is_some() {
        let all = locked.into_iter().chain(schema.numbers).collect();
        std::fs::write(lock_path(), render(&all)).expect("write the lock");
        return;
    }
    let new = schema.numbers.iter().filter(|(key, _)| !locked.contains_key(key));
    objections.extend(
        new.map(|((kind, number), name)| format!("{kind} {number} {name} is new: run `make proto-lock`")),
    );
    assert_clean("the numbers of the schema", &objections);
}

/// What may not happen to a number that was given before.
fn changes(schema: &Schema, locked: &Numbers) -> Vec<String> {
    let change = |(key, name): (&(String, i32), &String)| {
        let (kind, number) = key;
        match schema.numbers.get(key) {
            Some(now) if now == name => None,
            Some(now) => Some(format!("{kind} {number} was {name} and is {now}")),
            None if !schema.types.contains(kind) || schema.is_reserved(kind, *number) => None,
            None => Some(format!("{kind} {number} was {name}: write `reserved {number};` in its place")),
        }
    };
    locked.iter().filter_map(change).collect()
}

fn lock_path() -> PathBuf {
    root().join("tests/tidy/proto.lock")
}

fn parse(lock: &str) -> Numbers {
    let entry = |line: &str| {
        let mut words = line.split_whitespace();
        let (kind, number, name) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
        Some(((kind.to_owned(), number), name.to_owned()))
    };
    lock.lines().filter_map(entry).collect()
}

fn render(numbers: &Numbers) -> String {
    numbers.iter().map(|((kind, number), name)| format!("{kind} {number} {name}\n")).collect()
}

// === impl Schema ===

impl Schema {
    fn compiled_in() -> Self {
        let pool =
            DescriptorPool::decode(berth_proto::DESCRIPTOR_SET).expect("the schema was compiled before");
        let mut schema = Self::default();
        for message in pool.all_messages().filter(|message| message.full_name().starts_with("berth.")) {
            let kind = message.full_name().to_owned();
            for field in message.fields() {
                let number = i32::try_from(field.number()).expect("field numbers have 29 bits");
                schema.numbers.insert((kind.clone(), number), field.name().to_owned());
            }
            for range in message.reserved_ranges() {
                let last = i32::try_from(range.end - 1).unwrap_or(i32::MAX);
                schema.reserved.push((kind.clone(), i32::try_from(range.start).unwrap_or(i32::MAX), last));
            }
            schema.types.push(kind);
        }
        for kind in pool.all_enums().filter(|kind| kind.full_name().starts_with("berth.")) {
            let name = kind.full_name().to_owned();
            let values = kind.values().map(|value| ((name.clone(), value.number()), value.name().to_owned()));
            schema.numbers.extend(values);
            schema
                .reserved
                .extend(kind.reserved_ranges().map(|range| (name.clone(), *range.start(), *range.end())));
            schema.types.push(name);
        }
        schema
    }

    fn is_reserved(&self, kind: &str, number: i32) -> bool {
        self.reserved.iter().any(|(of, first, last)| of == kind && (*first..=*last).contains(&number))
    }
}

#[test]
fn a_number_may_be_kept_or_reserved_but_not_changed() {
    let locked = parse("berth.A 1 a\nberth.A 2 b\nberth.A 3 c\nberth.Gone 1 x\n");
    let schema = Schema {
        numbers: parse("berth.A 1 other\nberth.A 9 new\n"),
        reserved: vec![("berth.A".to_owned(), 3, 3)],
        types: vec!["berth.A".to_owned()],
    };
    let expected = ["berth.A 1 was a and is other", "berth.A 2 was b: write `reserved 2;` in its place"];
    assert_eq!(changes(&schema, &locked), expected);
}
