//! Requests as ECS takes and refuses them. Requests are written as AWS JSON, because that is what people send.

mod cluster;
mod container_instance;
mod fixtures;
mod json;
mod name;
mod random;
mod report;
mod service;
mod task;
mod task_definition;
mod world;
