//! Where chance comes from: ids, secrets, jitter, random placement.
//!
//! A process has one [`Entropy`], made at start and handed to whoever needs it, so that one seed fixes every
//! choice of a simulated cluster.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};

/// A source of random numbers. Clones of a seeded source share its stream.
#[derive(Clone)]
pub struct Entropy(Source);

#[derive(Clone)]
enum Source {
    System,
    Seeded(Arc<Mutex<StdRng>>),
}

// === impl Entropy ===

impl Entropy {
    /// The operating system's generator, stretched per thread: fit for keys and secrets.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// The same numbers for the same seed. For tests and simulations only: whoever knows the seed knows them.
    pub fn seeded(seed: u64) -> Self {
        Self(Source::Seeded(Arc::new(Mutex::new(StdRng::seed_from_u64(seed)))))
    }

    /// 64 random bits.
    pub fn u64(&self) -> u64 {
        self.with(|rng| rng.next_u64())
    }

    /// 128 random bits: an id that is never drawn twice.
    pub fn u128(&self) -> u128 {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        u128::from_le_bytes(bytes)
    }

    /// Fills `bytes`.
    pub fn fill(&self, bytes: &mut [u8]) {
        self.with(|rng| rng.fill_bytes(bytes));
    }

    /// A number below `bound`, each equally likely. 0 when `bound` is 0.
    pub fn below(&self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        self.with(|rng| rng.random_range(0..bound))
    }

    fn with<T>(&self, draw: impl FnOnce(&mut dyn RngCore) -> T) -> T {
        match &self.0 {
            Source::System => draw(&mut rand::rng()),
            Source::Seeded(rng) => draw(&mut *rng.lock()),
        }
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Source::System => "Entropy(system)",
            Source::Seeded(_) => "Entropy(seeded)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_stream() {
        let draw = |entropy: Entropy| (entropy.u64(), entropy.u128(), entropy.below(1_000));
        assert_eq!(draw(Entropy::seeded(7)), draw(Entropy::seeded(7)));
        assert_ne!(draw(Entropy::seeded(7)), draw(Entropy::seeded(8)));
    }

    #[test]
    fn clones_share_the_stream() {
        let first = Entropy::seeded(7);
        let second = first.clone();
        assert_ne!(first.u64(), second.u64());
    }

    #[test]
    fn below_stays_below_its_bound() {
        let entropy = Entropy::seeded(1);
        assert!((0..1_000).all(|_| entropy.below(3) < 3));
        assert_eq!(entropy.below(1), 0);
        assert_eq!(entropy.below(0), 0);
    }
}
