//! Access keys: made, used, disabled and deleted.

use berth_process::identity::AccessKey;
use berth_proto::admin::v1 as pb;
use berth_proto::ecs::v1::ListClustersRequest;
use berth_proto::ecs::v1::clusters_client::ClustersClient;

use super::super::cases;
use super::super::controller::{Controller, exception, refusal};

async fn make(controller: &Controller) -> AccessKey {
    let request = pb::CreateAccessKeyRequest { description: "for the pipeline".into() };
    let made = controller.admin().create_access_key(request).await.expect("made").into_inner();
    let key = made.access_key.expect("rendered");
    assert_eq!(
        (key.role.as_str(), key.enabled, key.description.as_str()),
        ("admin", true, "for the pipeline")
    );
    AccessKey { access_key_id: key.access_key_id, secret_access_key: made.secret_access_key }
}

async fn opens(controller: &Controller, key: &AccessKey) -> Result<(), String> {
    let mut client = ClustersClient::new(controller.signed_by(key));
    match client.list_clusters(ListClustersRequest::default()).await {
        Ok(_) => Ok(()),
        refused => Err(exception(refused)),
    }
}

fn update(id: &str, enabled: bool) -> pb::UpdateAccessKeyRequest {
    pb::UpdateAccessKeyRequest { access_key_id: id.to_owned(), enabled }
}

fn delete(id: &str) -> pb::DeleteAccessKeyRequest {
    pb::DeleteAccessKeyRequest { access_key_id: id.to_owned() }
}

cases!(
    "admin",
    (CreateAccessKey, Answered, a_new_key_opens_at_once_and_its_secret_is_nowhere, async |controller| {
        let key = make(&controller).await;
        assert_eq!(opens(&controller, &key).await, Ok(()));
        let state = format!("{:?}", controller.view());
        assert!(!state.contains(&key.secret_access_key));
    }),
    (CreateAccessKey, Refused, descriptions_are_short, async |controller| {
        let request = pb::CreateAccessKeyRequest { description: "x".repeat(257) };
        assert_eq!(
            exception(controller.admin().create_access_key(request).await),
            "InvalidParameterException"
        );
    }),
    (ListAccessKeys, Answered, every_key_is_listed_without_its_secret, async |controller| {
        let key = make(&controller).await;
        let listed = controller.admin().list_access_keys(pb::ListAccessKeysRequest {}).await.unwrap();
        let keys = listed.into_inner().access_keys;
        assert!(keys.iter().any(|listed| listed.access_key_id == key.access_key_id));
        assert!(keys.iter().any(|listed| listed.role == "agent"));
    }),
    (UpdateAccessKey, Answered, a_disabled_key_opens_nothing_until_it_is_enabled_again, async |controller| {
        let key = make(&controller).await;
        let mut client = controller.admin();
        client.update_access_key(update(&key.access_key_id, false)).await.unwrap();
        assert_eq!(opens(&controller, &key).await, Err("UnrecognizedClientException".into()));
        client.update_access_key(update(&key.access_key_id, true)).await.unwrap();
        assert_eq!(opens(&controller, &key).await, Ok(()));
    }),
    (UpdateAccessKey, Refused, nobody_can_lock_everybody_out, async |controller| {
        let admin = &controller.identity.admin_key.access_key_id;
        let (name, text) = refusal(controller.admin().update_access_key(update(admin, false)).await);
        assert_eq!(name, "InvalidParameterException");
        assert!(text.starts_with("The last access key"), "{text}");
        let agent = &controller.identity.agent_key.access_key_id;
        assert_eq!(
            exception(controller.admin().update_access_key(update(agent, false)).await),
            "InvalidParameterException"
        );
    }),
    (DeleteAccessKey, Answered, a_deleted_key_is_not_known_any_more, async |controller| {
        let key = make(&controller).await;
        assert_eq!(opens(&controller, &key).await, Ok(()));
        controller.admin().delete_access_key(delete(&key.access_key_id)).await.unwrap();
        assert_eq!(opens(&controller, &key).await, Err("UnrecognizedClientException".into()));
    }),
    (DeleteAccessKey, Refused, a_key_that_is_not_there_cannot_be_deleted, async |controller| {
        let answer = controller.admin().delete_access_key(delete("BKUNOBODY")).await;
        assert_eq!(exception(answer), "ResourceNotFoundException");
    }),
);
