//! Who did what in which container: one line when it begins and one when it has ended, for whoever has to account for it.

use berth_model::validate::execute_command::Place;
use berth_process::clock::Clock;
use berth_proto::admin::v1::ConduitStart;
use berth_proto::agent::v1::conduit_target::Target;
use berth_proto::agent::v1::{ConduitOutput, OpenConduit};
use tonic::Status;
use tracing::info;

use super::super::super::auth::Principal;

/// What is accounted for.
pub(super) struct Record {
    caller: String,
    from: String,
    cluster: String,
    task: String,
    container: String,
    session: String,
    action: String,
    is_forced: bool,
    /// It has its place in the history.
    is_kept: bool,
    began_unix_ms: i64,
    clock: Clock,
}

/// One that has begun. Its end is written when it goes.
pub(super) struct Begun {
    record: Record,
    ended: Option<Result<i32, String>>,
}

/// What a line of the history may take.
const LINE_BYTES: usize = 512;

// === impl Record ===

impl Record {
    pub(super) fn new(
        principal: &Principal,
        from: String,
        start: &ConduitStart,
        place: &Place,
        open: &OpenConduit,
        clock: Clock,
    ) -> Self {
        Self {
            caller: principal.access_key_id.to_string(),
            from,
            cluster: start.cluster.clone(),
            task: place.task.to_string(),
            container: place.container.clone(),
            session: open.request_id.clone(),
            action: action(open),
            is_forced: start.force,
            is_kept: is_kept(open),
            began_unix_ms: clock.unix_ms(),
            clock,
        }
    }

    /// What the history says of its beginning. Connections are left to the log: they come by the hundred.
    pub(super) fn line(&self) -> Option<String> {
        let insisted = if self.is_forced { ", forced" } else { "" };
        let Self { caller, from, container, action, .. } = self;
        self.is_kept
            .then(|| cut(format!("{caller} from {from} in container {container}{insisted}: {action}")))
    }

    pub(super) fn begin(self) -> Begun {
        info!(
            target: "audit",
            caller = self.caller,
            from = self.from,
            cluster = self.cluster,
            task = self.task,
            container = self.container,
            session = self.session,
            action = self.action,
            forced = self.is_forced,
            "a session in a container began"
        );
        Begun { record: self, ended: None }
    }
}

// === impl Begun ===

impl Begun {
    /// Notices how it ended.
    pub(super) fn note(&mut self, output: &Result<ConduitOutput, Status>) {
        match output {
            Ok(output) if !output.error.is_empty() => self.ended = Some(Err(output.error.clone())),
            Ok(output) => self.ended = output.exit_code.map(Ok),
            Err(status) => self.ended = Some(Err(status.message().to_owned())),
        }
    }
}

impl Begun {
    /// What the history says of its end.
    pub(super) fn line(&self) -> Option<String> {
        let Record { caller, container, action, is_kept, .. } = &self.record;
        let ended = match self.ended.as_ref().filter(|_| *is_kept)? {
            Ok(code) => format!("with exit code {code}"),
            Err(reason) => format!("otherwise: {reason}"),
        };
        let seconds = self.duration_ms() / 1_000;
        Some(cut(format!("{caller} in container {container}: {action} ended after {seconds} s {ended}")))
    }

    fn duration_ms(&self) -> i64 {
        self.record.clock.unix_ms() - self.record.began_unix_ms
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let record = &self.record;
        let exit_code = self.ended.as_ref().and_then(|ended| ended.as_ref().ok());
        let reason = match &self.ended {
            Some(Ok(_)) => "",
            Some(Err(reason)) => reason,
            None => "its caller went away",
        };
        info!(
            target: "audit",
            caller = record.caller,
            task = record.task,
            container = record.container,
            session = record.session,
            action = record.action,
            exit_code,
            reason,
            duration_ms = self.duration_ms(),
            "a session in a container ended"
        );
    }
}

fn is_kept(open: &OpenConduit) -> bool {
    let target = open.target.as_ref().and_then(|target| target.target.as_ref());
    matches!(target, Some(Target::Command(_) | Target::ReadFiles(_) | Target::WriteFiles(_)))
}

fn cut(mut line: String) -> String {
    let end = line.floor_char_boundary(LINE_BYTES);
    line.truncate(end);
    line
}

/// What was done, in one line.
fn action(open: &OpenConduit) -> String {
    match open.target.as_ref().and_then(|target| target.target.as_ref()) {
        Some(Target::Command(command)) => format!("run {:?}", command.arguments),
        Some(Target::ReadFiles(files)) => format!("read {}", files.path),
        Some(Target::StatFile(file)) => format!("look at {}", file.path),
        Some(Target::WriteFiles(files)) => format!("write {}", files.path),
        Some(Target::Dial(dial)) if dial.host.is_empty() => format!("connect to port {}", dial.port),
        Some(Target::Dial(dial)) => format!("connect to {}:{}", dial.host, dial.port),
        None => "nothing".to_owned(),
    }
}
