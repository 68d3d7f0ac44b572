//! Which regions are served, and which of them a call is in.

use std::collections::BTreeSet;

use berth_model::id::Region;
use berth_process::region::is_well_formed;

/// What stands for every region there could be.
const ANY: &str = "*";

/// The regions that a call may be in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regions {
    own: String,
    others: BTreeSet<String>,
}

/// The region that a call is in, once it is known to be served. In the extensions of every request that names one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chosen(pub(crate) Option<Region>);

// === impl Regions ===

impl Regions {
    /// The deployment's own and these others; a `*` among them stands for any.
    pub fn new(own: &str, others: &[String]) -> Self {
        let others = others.iter().filter(|name| *name != own).cloned().collect();
        Self { own: own.to_owned(), others }
    }

    /// The region of this name, if it is served.
    pub fn choose(&self, name: &str) -> Option<Chosen> {
        if name == self.own {
            return Some(Chosen(None));
        }
        let is_served = self.others.contains(name) || self.others.contains(ANY);
        (is_served && is_well_formed(name)).then(|| Chosen(Some(Region::new(name))))
    }

    /// All of them, for people.
    pub fn names(&self) -> String {
        let names = std::iter::once(&self.own).chain(&self.others);
        names.map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    /// Whether this can stand in the list of others.
    pub(crate) fn may_list(name: &str) -> bool {
        name == ANY || is_well_formed(name)
    }
}

// === impl Chosen ===

impl Chosen {
    /// That of a request.
    pub(crate) fn of(extensions: &http::Extensions) -> Option<&Region> {
        extensions.get::<Self>().and_then(|chosen| chosen.0.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_listed_is_served_and_a_star_stands_for_all() {
        let named = |name: &str| Some(Chosen(Some(Region::new(name))));
        let (alone, listed) = (Regions::new("home", &[]), Regions::new("home", &["eu-west-1".to_owned()]));
        let any = Regions::new("home", &["*".to_owned()]);
        for regions in [&alone, &listed, &any] {
            assert_eq!(regions.choose("home"), Some(Chosen(None)), "{regions:?}");
            assert_eq!(regions.choose("*"), None, "{regions:?}");
            assert_eq!(regions.choose("no such"), None, "{regions:?}");
        }
        assert_eq!([&alone, &listed, &any].map(|all| all.choose("eu-west-1").is_some()), [false, true, true]);
        assert_eq!(any.choose("mars-north-1"), named("mars-north-1"));
        assert_eq!(listed.choose("mars-north-1"), None);
        assert_eq!(listed.names(), "home, eu-west-1");
    }
}
