//! The API over a single controller: real services, layers and network, real validation, and a real state. Only the
//! log is not replicated.

mod account;
mod admin;
mod agents;
mod capacity_provider;
mod cluster;
mod consensus;
mod container_instance;
mod controller;
mod coverage;
mod fixture;
mod identity;
mod layers;
mod protection;
mod scheduler;
mod service;
mod service_deployment;
mod sessions;
mod sts;
mod task;
mod task_definition;
mod task_set;
mod unmade;

/// Writes a test for each case, which runs against a controller of its own, and checks that the case called the
/// operation that it says it covers, with the answer that it says.
macro_rules! cases {
    (
        $package:literal,
        $(($operation:ident, $kind:ident, $name:ident, async |$controller:ident| $body:block)),+ $(,)?
    ) => {
        /// Operations and whether they are answered or refused, as these cases cover them.
        pub(in crate::api::tests) const COVERED: &[(&str, $crate::api::tests::coverage::Kind)] = &[$((
            concat!($package, ".", stringify!($operation)),
            $crate::api::tests::coverage::Kind::$kind,
        )),+];
        $(
            #[tokio::test]
            async fn $name() {
                let $controller = $crate::api::tests::controller::Controller::start().await;
                $body
                $controller.check_called(stringify!($operation), $crate::api::tests::coverage::Kind::$kind);
            }
        )+
    };
}
use cases;
