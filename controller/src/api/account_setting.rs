//! Account settings: the handlers.

use berth_model::validate::account_setting as validate;
use berth_proto::ecs::v1 as pb;
use berth_proto::ecs::v1::account_settings_server::AccountSettings;
use tonic::{Request, async_trait};

use super::call::{Answer, Handlers};

#[async_trait]
impl AccountSettings for Handlers {
    async fn put_account_setting(
        &self,
        request: Request<pb::PutAccountSettingRequest>,
    ) -> Answer<pb::PutAccountSettingResponse> {
        self.change(
            request,
            |request, view, admission| validate::put(request, view, admission),
            |setting, _| Ok(pb::PutAccountSettingResponse { setting: Some(setting) }),
        )
        .await
    }

    async fn put_account_setting_default(
        &self,
        request: Request<pb::PutAccountSettingDefaultRequest>,
    ) -> Answer<pb::PutAccountSettingDefaultResponse> {
        self.change(
            request,
            |request, view, _| validate::put_default(request, view),
            |setting, _| Ok(pb::PutAccountSettingDefaultResponse { setting: Some(setting) }),
        )
        .await
    }

    async fn list_account_settings(
        &self,
        request: Request<pb::ListAccountSettingsRequest>,
    ) -> Answer<pb::ListAccountSettingsResponse> {
        self.read_as(request, |request, view, admission| {
            let page = validate::list(request, view, admission)?;
            Ok(pb::ListAccountSettingsResponse { settings: page.items, next_token: page.next_token })
        })
        .await
    }

    async fn delete_account_setting(
        &self,
        request: Request<pb::DeleteAccountSettingRequest>,
    ) -> Answer<pb::DeleteAccountSettingResponse> {
        self.change(
            request,
            |request, view, admission| validate::delete(request, view, admission),
            |setting, _| Ok(pb::DeleteAccountSettingResponse { setting: Some(setting) }),
        )
        .await
    }
}
