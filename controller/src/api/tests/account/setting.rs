//! Settings of the account.

use berth_proto::ecs::v1 as pb;
use berth_proto::ecs::v1::account_settings_client::AccountSettingsClient;

use crate::api::tests::cases;
use crate::api::tests::controller::{Controller, Signed, exception, refusal};

const INSIGHTS: i32 = pb::SettingName::ContainerInsights as i32;

fn client(controller: &Controller) -> AccountSettingsClient<Signed> {
    AccountSettingsClient::new(controller.signed())
}

fn put(value: &str) -> pb::PutAccountSettingRequest {
    pb::PutAccountSettingRequest {
        name: Some(INSIGHTS),
        value: Some(value.to_owned()),
        ..pb::PutAccountSettingRequest::default()
    }
}

fn put_default(value: &str) -> pb::PutAccountSettingDefaultRequest {
    pb::PutAccountSettingDefaultRequest { name: Some(INSIGHTS), value: Some(value.to_owned()) }
}

/// What counts for the caller.
async fn effective(controller: &Controller) -> String {
    let request = pb::ListAccountSettingsRequest {
        name: Some(INSIGHTS),
        effective_settings: Some(true),
        ..pb::ListAccountSettingsRequest::default()
    };
    let mut settings = client(controller).list_account_settings(request).await.expect("listed").into_inner();
    settings.settings.pop().and_then(|setting| setting.value).expect("every setting has a value")
}

cases!(
    "ecs",
    (PutAccountSetting, Answered, what_a_principal_set_counts_for_it, async |controller| {
        assert_eq!(effective(&controller).await, "disabled");
        let made = client(&controller).put_account_setting(put("enhanced")).await.unwrap().into_inner();
        let setting = made.setting.unwrap();
        assert!(setting.principal_arn().ends_with(&controller.identity.admin_key.access_key_id));
        assert_eq!(setting.r#type(), pb::SettingType::User);
        assert_eq!(effective(&controller).await, "enhanced");
    }),
    (PutAccountSetting, Refused, a_setting_takes_what_it_takes, async |controller| {
        let (name, text) = refusal(client(&controller).put_account_setting(put("maybe")).await);
        assert_eq!(name, "InvalidParameterException");
        assert_eq!(text, "The setting containerInsights takes enhanced, enabled, disabled, not \"maybe\".");
        let stranger = Some("arn:aws:iam::999999999999:user/x".to_owned());
        let request = pb::PutAccountSettingRequest { principal_arn: stranger, ..put("enabled") };
        assert_eq!(
            exception(client(&controller).put_account_setting(request).await),
            "InvalidParameterException"
        );
    }),
    (PutAccountSettingDefault, Answered, the_default_counts_for_who_set_nothing, async |controller| {
        client(&controller).put_account_setting_default(put_default("enabled")).await.unwrap();
        assert_eq!(effective(&controller).await, "enabled");
        client(&controller).put_account_setting(put("enhanced")).await.unwrap();
        assert_eq!(effective(&controller).await, "enhanced");
    }),
    (PutAccountSettingDefault, Refused, what_aws_manages_cannot_be_set, async |controller| {
        let request = pb::PutAccountSettingDefaultRequest {
            name: Some(pb::SettingName::GuardDutyActivate.into()),
            value: Some("enabled".into()),
        };
        let answer = client(&controller).put_account_setting_default(request).await;
        assert_eq!(exception(answer), "InvalidParameterException");
    }),
    (ListAccountSettings, Answered, only_what_was_set_is_listed_unless_effective, async |controller| {
        let list = pb::ListAccountSettingsRequest::default();
        let listed = client(&controller).list_account_settings(list.clone()).await.unwrap().into_inner();
        assert_eq!(listed.settings, vec![]);
        let effective = pb::ListAccountSettingsRequest { effective_settings: Some(true), ..list };
        let page = client(&controller).list_account_settings(effective.clone()).await.unwrap().into_inner();
        assert_eq!((page.settings.len(), page.next_token.is_some()), (10, true));
        let next = pb::ListAccountSettingsRequest { next_token: page.next_token, ..effective };
        let rest = client(&controller).list_account_settings(next).await.unwrap().into_inner();
        assert_eq!((rest.settings.len(), rest.next_token), (1, None));
    }),
    (ListAccountSettings, Refused, pages_have_at_most_ten, async |controller| {
        let request = pb::ListAccountSettingsRequest {
            max_results: Some(11),
            ..pb::ListAccountSettingsRequest::default()
        };
        assert_eq!(
            exception(client(&controller).list_account_settings(request).await),
            "InvalidParameterException"
        );
    }),
    (DeleteAccountSetting, Answered, the_default_counts_again, async |controller| {
        client(&controller).put_account_setting_default(put_default("enabled")).await.unwrap();
        client(&controller).put_account_setting(put("enhanced")).await.unwrap();
        let request = pb::DeleteAccountSettingRequest {
            name: Some(INSIGHTS),
            ..pb::DeleteAccountSettingRequest::default()
        };
        client(&controller).delete_account_setting(request).await.unwrap();
        assert_eq!(effective(&controller).await, "enabled");
    }),
    (DeleteAccountSetting, Refused, a_setting_has_to_be_named, async |controller| {
        let request = pb::DeleteAccountSettingRequest::default();
        assert_eq!(
            exception(client(&controller).delete_account_setting(request).await),
            "InvalidParameterException"
        );
    }),
);
