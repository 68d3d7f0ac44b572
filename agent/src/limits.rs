//! Every bound of the agent, and what happens when it is reached.

use std::time::Duration;

/// Tasks on one instance, stopped ones that are not acknowledged yet included. A manifest with more is refused.
pub const TASKS_PER_INSTANCE: usize = 10_000;
/// Containers of one task. A task with more fails to start; ECS itself registers 10.
pub const CONTAINERS_PER_TASK: usize = 50;
/// Encoded size of one message from a controller: [`TASKS_PER_INSTANCE`] of a small task definition each. A larger one
/// ends the session with an error.
pub const MESSAGE_BYTES: usize = 64 << 20;
/// Reports in one message; the rest goes with the next.
pub const REPORTS_PER_MESSAGE: usize = 500;
/// Report messages under way without an acknowledgement; more wait.
pub const REPORT_MESSAGES_IN_FLIGHT: usize = 8;
/// Messages to the engine of one instance; senders wait.
pub const MAILBOX: usize = 256;
/// Addresses of controllers that are taken over from a controller; more are ignored.
pub const CONTROLLERS_TOLD: usize = 32;
/// Messages to a controller that its connection has not taken; the session waits.
pub const OUTBOUND: usize = 16;
/// Stop operations under way. Each is one connection to the runtime that lasts up to the container's stop timeout;
/// more wait, launches do not.
pub const STOPS: usize = 512;
/// Log streams that operators read at a time from one instance; another is refused.
pub const LOG_STREAMS: usize = 32;
/// Conduits into containers that are open at a time on one instance; another is refused.
pub const CONDUITS: usize = 64;
/// Conduits that are remembered, so that none is opened twice; beyond it the oldest is forgotten. Whoever asks again does
/// so within a minute.
pub const CONDUITS_REMEMBERED: usize = 4_096;
/// Chunks of a conduit that the other side has not taken; the container waits.
pub const CONDUIT_CHUNKS: usize = 16;
/// Bytes that are read from a connection at a time.
pub const CONDUIT_CHUNK_BYTES: usize = 32 << 10;
/// How long the last word of a conduit may take to arrive.
pub const CONDUIT_FAREWELL: Duration = Duration::from_secs(10);
/// How long a port of a container may take to answer.
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a copy into a container may take.
pub const COPY_TIMEOUT: Duration = Duration::from_secs(24 * 3_600);
/// What a command has to end after its caller went away, before it is killed.
pub const HANG_UP_GRACE: Duration = Duration::from_secs(2);
/// How often a container's start is tried when a port of the host that it needs is taken; then it fails.
pub const PORT_ATTEMPTS: u32 = 10;
/// Bytes of one log chunk; a longer line is cut into several.
pub const LOG_CHUNK_BYTES: usize = 64 << 10;
/// Length of a container's reason in a report; the rest is cut.
pub const REASON_BYTES: usize = 1_024;
/// Lines that a container wrote last, in the report of its failure, and bytes of each; the rest is cut.
pub const LAST_LOG_LINES: u32 = 10;
/// See [`LAST_LOG_LINES`].
pub const LAST_LOG_LINE_BYTES: usize = 256;
/// How long the report of a failure waits for them.
pub const LAST_LOG_LINES_TIMEOUT: Duration = Duration::from_secs(2);
/// Images whose last pull is remembered in memory, successes and failures each; more are pulled as if for the first time.
pub const REMEMBERED_PULLS: usize = 256;

/// Layers of one image whose progress is followed; the rest is pulled unseen. Docker itself allows 127.
pub const LAYERS_PER_IMAGE: usize = 512;
/// Images that an agent fetches ahead at the word of a controller; more are pulled when their tasks come.
pub const PREFETCHED_IMAGES: usize = 64;
/// How often it is looked what containers use.
pub const USAGE_PERIOD: Duration = Duration::from_secs(5);
/// How long that is kept.
pub const USAGE_KEPT: Duration = Duration::from_secs(60 * 60);
/// Containers of which it is kept, 41 KB each after an hour; the use of others is not.
pub const USAGE_CONTAINERS: usize = 512;
/// Questions to the runtime about it at a time.
pub const USAGE_CONCURRENCY: usize = 4;
/// Bytes of one log event; a longer line is several. Source: Docker's awslogs driver, 256 KiB without what an event counts
/// beyond its message.
pub const LOG_EVENT_BYTES: usize = (256 << 10) - 26;
/// MiB that the runtime keeps of the log of a container in blocking mode, unless configured otherwise; at a quarter of it the
/// container is paused.
pub const LOG_SPOOL_MIB: u64 = 1_024;
/// What one container wrote and nobody has taken yet, unless its definition says otherwise; beyond it the oldest goes.
/// Source: ECS, `max-buffer-size`.
pub const LOG_BUFFER_BYTES: usize = 10 << 20;
/// The same of all containers together; beyond it, who writes loses its own oldest.
pub const LOG_BUFFERS_BYTES: usize = 64 << 20;
/// Bytes that are sent together; more go with the next.
pub const LOG_BATCH_BYTES: usize = 512 << 10;
/// How long less than that waits for more.
pub const LOG_BATCH_DELAY: Duration = Duration::from_secs(1);
/// Batches on their way at a time; others wait.
pub const LOG_SENDERS: usize = 8;
/// How long a line waits for its end, or an event for its next line.
pub const LOG_LINE_PATIENCE: Duration = Duration::from_secs(2);

/// How long a container's start waits for a controller that can tell its secrets.
pub const SECRETS_TIMEOUT: Duration = Duration::from_secs(2 * 60);
/// How long a runtime may take to create a container (the ECS agent's default).
pub const CREATE_TIMEOUT: Duration = Duration::from_secs(4 * 60);
/// How long a runtime may take to start a container (the ECS agent's default).
pub const START_TIMEOUT: Duration = Duration::from_secs(3 * 60);
/// How long a pull may take (the ECS agent's default).
pub const PULL_TIMEOUT: Duration = Duration::from_secs(2 * 60 * 60);
/// How long the runtime may take beyond the stop timeout to end a container before the stop is tried again.
pub const STOP_GRACE: Duration = Duration::from_secs(60);
/// How long the runtime may take to answer a question.
pub const QUESTION_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a controller may take to answer a hello.
pub const WELCOME_TIMEOUT: Duration = Duration::from_secs(5);
/// How long reports wait for an acknowledgement before they are sent again.
pub const ACKNOWLEDGEMENT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often the network of tasks is compared with what the kernel has: what others wiped is back after this.
pub const NETWORK_PERIOD: Duration = Duration::from_secs(3);
/// How long a task waits until it can have an address. Controllers tell the block with the first words of a session.
pub const ADDRESS_PATIENCE: Duration = Duration::from_secs(60);
/// How long an address rests before another task gets it.
pub const ADDRESS_REST: Duration = Duration::from_secs(10);
/// How often what is believed of containers is compared with the runtime, in case an event was missed.
pub const RESYNC_PERIOD: Duration = Duration::from_secs(60);
