//! References: short names, ids, and ARNs in both formats.

use super::world::verdict;
use crate::id::ClusterName;
use crate::state::State;
use crate::validate::name;

const ARN: &str = "arn:aws:ecs:us-east-1:000000000000:";

#[test]
fn clusters_are_named_or_default() {
    let view = State::default();
    let rows = [
        (None, "default".to_owned()),
        (Some(String::new()), "default".to_owned()),
        (Some("c".to_owned()), "c".to_owned()),
        (Some(format!("{ARN}cluster/c")), "c".to_owned()),
    ];
    for (reference, expected) in rows {
        assert_eq!(name::cluster(reference.as_deref(), &view).expect("a cluster").as_str(), expected);
    }
    let service = format!("{ARN}service/c/s");
    assert_eq!(
        verdict(name::cluster(Some(&service), &view)),
        format!("InvalidParameterException: Invalid cluster ARN: {service}.")
    );
}

#[test]
fn services_tasks_and_instances_have_two_arn_formats() {
    let (cluster, view) = (ClusterName::new("c"), State::default());
    for reference in ["s".to_owned(), format!("{ARN}service/s"), format!("{ARN}service/c/s")] {
        assert_eq!(name::service(&reference, &cluster, &view).expect("a service").name.as_str(), "s");
    }
    let id = "0123456789abcdef0123456789abcdef";
    let uuid = "01234567-89ab-cdef-0123-456789abcdef";
    for id_or_arn in
        [id.to_owned(), uuid.to_owned(), format!("{ARN}task/{uuid}"), format!("{ARN}task/c/{id}")]
    {
        assert_eq!(name::task(&id_or_arn, &cluster, &view).expect("a task").to_string(), id);
    }
    let arn = format!("{ARN}container-instance/c/{id}");
    assert_eq!(name::instance(&arn, &cluster, &view).expect("an instance").to_string(), id);
    let other = format!("{ARN}container-instance/d/{id}");
    assert_eq!(
        verdict(name::instance(&other, &cluster, &view)),
        "InvalidParameterException: Invalid identifier: Identifier is for cluster d. Your cluster is c"
    );
    assert_eq!(
        verdict(name::task(&arn, &cluster, &view)),
        format!("InvalidParameterException: Invalid identifier: {arn} is not the ARN of a task.")
    );
    assert_eq!(
        verdict(name::service("a/b", &cluster, &view)).split(':').next(),
        Some("InvalidParameterException")
    );
}

#[test]
fn an_arn_of_another_region_names_nothing_here() {
    let (cluster, view) = (ClusterName::new("c"), State::default());
    let elsewhere = "arn:aws:ecs:eu-west-1:000000000000:";
    let id = "0123456789abcdef0123456789abcdef";
    let verdicts = [
        verdict(name::cluster(Some(&format!("{elsewhere}cluster/c")), &view)),
        verdict(name::service(&format!("{elsewhere}service/c/s"), &cluster, &view)),
        verdict(name::task(&format!("{elsewhere}task/c/{id}"), &cluster, &view)),
        verdict(name::instance(&format!("{elsewhere}container-instance/c/{id}"), &cluster, &view)),
        verdict(name::definition_reference(&format!("{elsewhere}task-definition/f:1"), &view)),
    ];
    for verdict in verdicts {
        assert_eq!(verdict, "InvalidParameterException: Invalid Region in ARN");
    }
}
