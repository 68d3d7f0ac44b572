//! Identifiers: a type each, so that a task cannot be looked up with an instance's id.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Index of a log entry, and so the version of the whole state after it.
pub type Revision = u64;

/// Counts the changes of what one object is wanted to be. Commands of planners carry the one they read.
pub type Generation = u64;

/// The text is not an identifier of this kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct ParseIdError {
    text: String,
    expected: &'static str,
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Wraps a name that was checked by whoever took it in.
            pub fn new(name: &str) -> Self {
                Self(Arc::from(name))
            }

            /// The name itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, formatter)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self::new(name)
            }
        }
    };
}

name_type! {
    /// A region: what is made in one is not seen in another.
    Region
}
name_type! {
    /// Name of a cluster.
    ClusterName
}
name_type! {
    /// Name of a service within its cluster.
    ServiceName
}
name_type! {
    /// Name that the revisions of a task definition share.
    Family
}

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(#[serde(with = "hex_bytes")] u128);

        impl $name {
            /// From the random number that makes it unique.
            pub const fn new(number: u128) -> Self {
                Self(number)
            }

            /// The number itself.
            pub const fn number(self) -> u128 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{:032x}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, formatter)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let fail = || ParseIdError { text: text.to_owned(), expected: $expected };
                if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                    return Err(fail());
                }
                u128::from_str_radix(text, 16).map(Self).map_err(|_| fail())
            }
        }
    };
}

hex_id! {
    /// A task: 32 hexadecimal digits.
    TaskId, "a task id of 32 hexadecimal digits"
}
hex_id! {
    /// A container instance: 32 hexadecimal digits.
    InstanceId, "a container instance id of 32 hexadecimal digits"
}

// === impl InstanceId ===

impl InstanceId {
    /// Where a task is that waits for a place, or never got one.
    pub const NOWHERE: Self = Self(0);
}

/// MessagePack has no 128-bit integers: ids are stored as 16 big-endian bytes.
mod hex_bytes {
    use serde::{Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(number: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&number.to_be_bytes())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        deserializer.deserialize_bytes(Visitor)
    }

    struct Visitor;

    impl de::Visitor<'_> for Visitor {
        type Value = u128;

        fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("16 bytes")
        }

        fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<u128, E> {
            let bytes: [u8; 16] = bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))?;
            Ok(u128::from_be_bytes(bytes))
        }
    }
}

/// A stream of identifiers that follows from its seed. The seed comes from outside: nothing here is random.
#[derive(Clone, Debug)]
pub struct Ids(u128);

// === impl Ids ===

impl Ids {
    /// The stream of this seed, which should be random and used once.
    pub const fn from_seed(seed: u128) -> Self {
        Self(seed)
    }

    /// The next 128 bits.
    pub fn number(&mut self) -> u128 {
        // A Weyl sequence through the finaliser of SplitMix64 on either half: ids of one seed never repeat, because the
        // step is odd and both halves of the mix can be undone.
        const STEP: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
        self.0 = self.0.wrapping_add(STEP);
        let (high, low) = (mix(high_half(self.0)), low_half(self.0));
        let low = mix(low ^ high);
        u128::from(high) << 64 | u128::from(low)
    }

    /// The next 64 bits.
    pub fn short(&mut self) -> u64 {
        low_half(self.number())
    }

    /// A new task id.
    pub fn task(&mut self) -> TaskId {
        TaskId::new(self.number())
    }

    /// A new deployment id.
    pub fn deployment(&mut self) -> DeploymentId {
        DeploymentId::new(self.short())
    }

    /// A new service deployment id.
    pub fn service_deployment(&mut self) -> ServiceDeploymentId {
        ServiceDeploymentId::new(self.number())
    }

    /// A new hook id.
    pub fn hook(&mut self) -> HookId {
        HookId::new(self.number())
    }
}

fn high_half(number: u128) -> u64 {
    u64::try_from(number >> 64).expect("64 bits are left")
}

fn low_half(number: u128) -> u64 {
    u64::try_from(number & u128::from(u64::MAX)).expect("64 bits are left")
}

fn mix(mut number: u64) -> u64 {
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// A service deployment, written as 21 letters and digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServiceDeploymentId(#[serde(with = "hex_bytes")] u128);

/// A hook at one stage of one service deployment, written as a UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HookId(#[serde(with = "hex_bytes")] u128);

// === impl ServiceDeploymentId ===

impl ServiceDeploymentId {
    const DIGITS: &'static [u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const LENGTH: u32 = 21;

    /// From a random number; kept to what 21 letters and digits can say.
    pub const fn new(number: u128) -> Self {
        Self(number % 62_u128.pow(Self::LENGTH))
    }
}

impl fmt::Display for ServiceDeploymentId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        use std::fmt::Write as _;
        for place in (0..Self::LENGTH).rev() {
            let digit = usize::try_from(self.0 / 62_u128.pow(place) % 62).expect("it is less than 62");
            formatter.write_char(char::from(Self::DIGITS[digit]))?;
        }
        Ok(())
    }
}

impl FromStr for ServiceDeploymentId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let fail = || ParseIdError {
            text: text.to_owned(),
            expected: "a service deployment id of 21 letters and digits",
        };
        if text.len() != 21 {
            return Err(fail());
        }
        let digit = |byte: u8| Self::DIGITS.iter().position(|known| *known == byte);
        let number = text.bytes().try_fold(0_u128, |number, byte| {
            Some(number * 62 + u128::try_from(digit(byte)?).expect("it is less than 62"))
        });
        number.map(Self).ok_or_else(fail)
    }
}

// === impl HookId ===

impl HookId {
    /// From the random number that makes it unique.
    pub const fn new(number: u128) -> Self {
        Self(number)
    }
}

impl fmt::Display for HookId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = format!("{:032x}", self.0);
        let (a, b, c, d, e) = (&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
        write!(formatter, "{a}-{b}-{c}-{d}-{e}")
    }
}

impl FromStr for HookId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let fail = || ParseIdError { text: text.to_owned(), expected: "a hook id written as a UUID" };
        let digits: String = text.chars().filter(|char| *char != '-').collect();
        if text.len() != 36 || digits.len() != 32 {
            return Err(fail());
        }
        u128::from_str_radix(&digits, 16).map(Self).map_err(|_| fail())
    }
}

/// A service: its cluster and its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ServiceKey {
    /// The cluster it belongs to.
    pub cluster: ClusterName,
    /// Its name, unique among the ACTIVE and DRAINING services of the cluster.
    pub name: ServiceName,
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.cluster, self.name)
    }
}

/// One revision of a task definition, written `family:revision`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskDefinitionKey {
    /// The family.
    pub family: Family,
    /// Counts up from 1 within the family and is never used again.
    pub revision: u32,
}

impl fmt::Display for TaskDefinitionKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.family, self.revision)
    }
}

impl FromStr for TaskDefinitionKey {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let fail =
            || ParseIdError { text: text.to_owned(), expected: "a task definition written family:revision" };
        let (family, revision) = text.rsplit_once(':').ok_or_else(fail)?;
        let revision = revision.parse().ok().filter(|revision| *revision > 0).ok_or_else(fail)?;
        Ok(Self { family: Family::new(family), revision })
    }
}

/// A deployment of a service, written `ecs-svc/` and 19 digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeploymentId(u64);

// === impl DeploymentId ===

impl DeploymentId {
    /// From a random number; kept to the 19 digits that ECS prints.
    pub const fn new(number: u64) -> Self {
        const LOWEST: u64 = 1_000_000_000_000_000_000;
        Self(LOWEST + number % (9 * LOWEST - 1))
    }

    /// The digits as a number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for DeploymentId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ecs-svc/{}", self.0)
    }
}

impl FromStr for DeploymentId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        text.strip_prefix("ecs-svc/").and_then(|digits| digits.parse().ok()).map(Self).ok_or_else(|| {
            ParseIdError { text: text.to_owned(), expected: "a deployment id written ecs-svc/ and digits" }
        })
    }
}
