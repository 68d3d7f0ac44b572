//! The engine over a real Docker: the one at `BERTH_TEST_DOCKER_HOST`, or on its usual socket. Without one every test
//! says that it was skipped.
//!
//! The only image is made here, from the host's static busybox; no registry is asked for anything that has to be there.

#[path = "docker/fields.rs"]
mod fields;
#[path = "docker/host.rs"]
mod host;
#[path = "docker/image.rs"]
mod image;
#[path = "docker/life.rs"]
mod life;
#[path = "docker/network.rs"]
mod network;
#[path = "docker/others.rs"]
mod others;
#[path = "docker/process.rs"]
mod process;
#[path = "docker/volumes.rs"]
mod volumes;
