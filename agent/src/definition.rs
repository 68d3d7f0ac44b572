//! A task definition as a task runs it: overrides merged in, facts computed once.
//!
//! Tasks of one definition without overrides share one [`Definition`]; a host with a thousand of them, or a process
//! with a million simulated ones, holds one copy.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use berth_model::resource::Requirements;
use berth_model::task::step;
use berth_proto::ecs::v1 as ecs;
use parking_lot::Mutex;

mod dependencies;
mod overrides;
pub(crate) mod resources;

/// What the tasks of one definition run.
#[derive(Debug)]
pub struct Definition {
    /// As the controller sent it.
    pub message: ecs::TaskDefinition,
    /// As the controller sent them.
    pub overrides: Option<ecs::TaskOverride>,
    /// The containers, with the overrides merged in.
    pub containers: Vec<ecs::ContainerDefinition>,
    /// The order in which the containers start, position by position.
    pub order: Vec<step::Container>,
    /// Task-level CPU units, when the definition has any.
    pub cpu_units: Option<u32>,
    /// Task-level memory, when the definition has any.
    pub memory_mib: Option<u32>,
    /// What the containers of a task may write to their own file systems, in MiB, when the definition limits it.
    pub disk_mib: Option<u32>,
    /// Why no task of this definition can run here.
    pub fault: Option<String>,
}

/// Keeps one copy of every definition that is in use.
#[derive(Debug, Default)]
pub struct Interner {
    definitions: Mutex<BTreeMap<String, Weak<Definition>>>,
}

// === impl Definition ===

impl Definition {
    /// Merges and computes. Whatever is wrong is told in `fault`: it fails the tasks, not the agent.
    #[must_use]
    pub fn new(message: ecs::TaskDefinition, overrides: Option<ecs::TaskOverride>) -> Self {
        let containers = overrides::merge(&message.container_definitions, overrides.as_ref());
        let task_level = |of: fn(&ecs::TaskOverride) -> &Option<String>, own: &Option<String>| {
            let text = overrides.as_ref().and_then(|overrides| of(overrides).clone()).or_else(|| own.clone());
            text.and_then(|text| text.trim().parse().ok())
        };
        let cpu_units = task_level(|overrides| &overrides.cpu, &message.cpu);
        let memory_mib = task_level(|overrides| &overrides.memory, &message.memory);
        let gib = message.ephemeral_storage.and_then(|storage| u32::try_from(storage.size_in_gib()).ok());
        let disk_mib = gib.map(|gib| gib.saturating_mul(1_024));
        let order = dependencies::order(&containers);
        let fault = dependencies::fault(&containers, &order);
        Self { message, overrides, containers, order, cpu_units, memory_mib, disk_mib, fault }
    }

    /// A stand-in for the definition of a task of which only its containers are known.
    #[must_use]
    pub fn of_orphan(family: &str, revision: i32, containers: impl IntoIterator<Item = String>) -> Self {
        let container = |name| ecs::ContainerDefinition {
            name: Some(name),
            essential: Some(true),
            ..ecs::ContainerDefinition::default()
        };
        let message = ecs::TaskDefinition {
            family: Some(family.to_owned()),
            revision: Some(revision),
            container_definitions: containers.into_iter().map(container).collect(),
            ..ecs::TaskDefinition::default()
        };
        Self::new(message, None)
    }

    /// The position of the container with this name.
    #[must_use]
    pub fn position(&self, container: &str) -> Option<usize> {
        self.containers.iter().position(|definition| definition.name() == container)
    }

    /// What a task of this definition needs while the containers for which `is_live` says so are not ended.
    #[must_use]
    pub fn requirements(&self, is_live: impl Fn(usize) -> bool) -> Requirements {
        resources::requirements(self, is_live)
    }

    /// How its containers are attached to the network.
    #[must_use]
    pub fn network_mode(&self) -> ecs::NetworkMode {
        match self.message.network_mode() {
            ecs::NetworkMode::Unspecified => ecs::NetworkMode::Bridge,
            mode => mode,
        }
    }
}

impl PartialEq for Definition {
    fn eq(&self, other: &Self) -> bool {
        self.message == other.message && self.overrides == other.overrides
    }
}

// === impl Interner ===

impl Interner {
    /// The shared definition with this content.
    pub fn intern(
        &self,
        message: ecs::TaskDefinition,
        overrides: Option<ecs::TaskOverride>,
    ) -> Arc<Definition> {
        let overrides = overrides.filter(|overrides| *overrides != ecs::TaskOverride::default());
        if overrides.is_some() {
            return Arc::new(Definition::new(message, overrides));
        }
        let arn = message.task_definition_arn().to_owned();
        let mut definitions = self.definitions.lock();
        let known = definitions.get(&arn).and_then(Weak::upgrade);
        if let Some(known) = known.filter(|known| known.message == message) {
            return known;
        }
        if definitions.len() >= crate::limits::TASKS_PER_INSTANCE {
            definitions.retain(|_, definition| definition.strong_count() > 0);
        }
        let definition = Arc::new(Definition::new(message, None));
        definitions.insert(arn, Arc::downgrade(&definition));
        definition
    }
}
