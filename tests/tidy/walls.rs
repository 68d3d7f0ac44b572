//! The walls between the crates, and between the parts of the controller. ARCHITECTURE.md says why each stands.

use std::collections::BTreeSet;

use super::assert_clean;
use super::files::{SourceFile, root, rust};
use super::paths::{Named, named};

/// Which crates of the workspace a crate may depend on. A crate that is not here may not exist.
const WORKSPACE: [(&str, &[&str]); 8] = [
    ("proto", &[]),
    ("model", &["berth-proto"]),
    ("process", &[]),
    ("controller", &["berth-model", "berth-process", "berth-proto"]),
    ("agent", &["berth-model", "berth-process", "berth-proto"]),
    ("ctl", &["berth-process", "berth-proto"]),
    ("tests", &["berth-model", "berth-process", "berth-proto", "berth-controller", "berth-agent"]),
    ("tests/app", &[]),
];

/// Other people's crates that a crate may never depend on.
const FOREIGN: [(&str, &[&str]); 3] = [
    ("model", &["tokio", "tonic", "openraft", "sled", "rand", "hyper", "bollard"]),
    ("ctl", &["openraft", "sled", "bollard"]),
    ("process", &["openraft", "sled", "bollard"]),
];

/// A part of the tree, what its files may not name, and what is excepted.
struct Wall {
    part: &'static str,
    never: &'static [&'static str],
    except: &'static [&'static str],
}

const WALLS: [Wall; 8] = [
    // A planner or an `apply` that could do IO, read a clock or iterate in a random order would not replay.
    Wall {
        part: "model/src",
        never: &[
            "tokio",
            "std::fs",
            "std::net",
            "std::env",
            "std::process",
            "std::thread",
            "std::time::Instant",
            "std::time::SystemTime",
            "std::collections::HashMap",
            "std::collections::HashSet",
        ],
        except: &[],
    },
    Wall { part: "process/src", never: &["berth_model", "berth_proto"], except: &[] },
    Wall {
        part: "controller/src/api",
        never: &["crate::reconcile", "crate::session", "openraft", "sled"],
        except: &[],
    },
    // It knows how a call is spelled, and nothing of what it means.
    Wall {
        part: "controller/src/aws",
        never: &["berth_model", "crate::reconcile", "crate::session", "openraft", "sled"],
        except: &[],
    },
    Wall {
        part: "controller/src/reconcile",
        never: &[
            "crate::api",
            "crate::session",
            "openraft",
            "sled",
            "tonic",
            "hyper",
            "std::net",
            "tokio::net",
        ],
        except: &[],
    },
    Wall {
        part: "controller/src/session",
        never: &["crate::reconcile", "crate::api", "openraft", "sled"],
        except: &[],
    },
    Wall { part: "agent/src", never: &["bollard"], except: &["agent/src/runtime/docker"] },
    Wall { part: "ctl/src", never: &["berth_model", "berth_controller", "berth_agent"], except: &[] },
];

#[test]
fn crates_depend_only_downwards() {
    let mut objections = Vec::new();
    for (folder, allowed) in WORKSPACE {
        let ours =
            dependencies(folder).into_iter().filter(|name| name == "berth" || name.starts_with("berth-"));
        let bad = ours.filter(|name| !allowed.contains(&name.as_str()));
        objections.extend(bad.map(|name| format!("{folder}/Cargo.toml: {name}")));
    }
    for (folder, never) in FOREIGN {
        let bad = dependencies(folder).into_iter().filter(|name| never.contains(&name.as_str()));
        objections.extend(bad.map(|name| format!("{folder}/Cargo.toml: {name}")));
    }
    assert_clean("a dependency through a wall", &objections);
}

#[test]
fn every_crate_has_its_row() {
    let manifest = manifest("");
    let members = manifest["workspace"]["members"].as_array().expect("a list").iter();
    let known: BTreeSet<_> = WORKSPACE.map(|(folder, _)| folder).into();
    let members = members.map(|member| member.as_str().expect("a folder"));
    let objections: Vec<_> = members.filter(|member| !known.contains(member)).map(str::to_owned).collect();
    assert_clean("a new crate needs a wall that a module cannot give: name it in the table", &objections);
}

#[test]
fn no_file_names_what_is_behind_its_wall() {
    let mut objections = Vec::new();
    for file in rust() {
        let walls = WALLS.iter().filter(|wall| wall.holds_for(&file.path));
        let never: Vec<&str> = walls.flat_map(|wall| wall.never.iter().copied()).collect();
        if !never.is_empty() {
            objections.extend(breaches(&file, &never));
        }
    }
    assert_clean("a path through a wall", &objections);
}

fn breaches(file: &SourceFile, never: &[&str]) -> Vec<String> {
    let breach = |named: &Named| {
        let path = named.path.join("::");
        let never = never.iter().find(|never| path == **never || path.starts_with(&format!("{never}::")))?;
        Some(format!("{}:{}: `{path}`, where `{never}` may not be named", file.path, named.line))
    };
    named(&file.text, &module_path(&file.path)).iter().filter_map(breach).collect()
}

/// `controller/src/api/cluster.rs` is `["api", "cluster"]`.
fn module_path(path: &str) -> Vec<String> {
    let inside = path.split_once("/src/").map_or(path, |(_, inside)| inside).trim_end_matches(".rs");
    inside.split('/').filter(|part| !["lib", "main"].contains(part)).map(str::to_owned).collect()
}

fn dependencies(folder: &str) -> Vec<String> {
    let manifest = manifest(folder);
    let sections = ["dependencies", "dev-dependencies", "build-dependencies"];
    let tables = sections.iter().filter_map(|section| manifest.get(*section)?.as_table());
    tables.flat_map(|table| table.keys().cloned()).collect()
}

fn manifest(folder: &str) -> toml::Table {
    let path = root().join(folder).join("Cargo.toml");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

// === impl Wall ===

impl Wall {
    /// Tests may read their fixtures: they are not what a wall protects.
    fn holds_for(&self, path: &str) -> bool {
        let is_test = path.ends_with("/tests.rs") || path.contains("/tests/");
        !is_test && is_part(path, self.part) && !self.except.iter().any(|part| is_part(path, part))
    }
}

/// A part is a file without its ending, a folder, or both.
fn is_part(path: &str, part: &str) -> bool {
    let rest = path.strip_prefix(part);
    rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

#[test]
fn a_breach_is_found_however_it_is_written() {
    let breaching = [
        "use crate::reconcile::Driver;",
        "use crate::{feed, reconcile::{self, Driver}};",
        "fn f() { crate::reconcile::poke() }",
        "use super::super::reconcile;",
    ];
    for text in breaching {
        let file = SourceFile { path: "controller/src/api/cluster.rs".to_owned(), text: text.to_owned() };
        assert!(!breaches(&file, &["crate::reconcile"]).is_empty(), "{text}");
    }
    let fine =
        SourceFile { path: "controller/src/api.rs".to_owned(), text: "use crate::reconciled;".to_owned() };
    assert_eq!(breaches(&fine, &["crate::reconcile"]), Vec::<String>::new());
}
