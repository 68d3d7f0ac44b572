//! Every bound of the controller in one place, with what happens at it.

use std::time::Duration;

/// Bytes of one request message; beyond it the call is refused with InvalidParameterException. A task definition may
/// have 64 KiB, so this leaves room for the largest batch that the API takes.
pub const REQUEST_BYTES: usize = 4 << 20;

/// Calls of clients that are carried out at a time; beyond it ThrottlingException, which every client retries. Calls of
/// agents and of other controllers are not counted: they must go through when clients are many.
pub const CONCURRENT_CALLS: usize = 1_024;

/// WatchEvents, ReadLogs and OpenConduit streams that are open at a time; beyond it ThrottlingException. They are bounded
/// apart from calls, because they end when their clients want.
pub const OPEN_STREAMS: usize = 512;

/// Calls a second of one access key at one controller, unless configured otherwise; beyond it ThrottlingException.
pub const CALLS_PER_KEY: u32 = 2_000;

/// Calls that a key which was idle may make at once, in seconds of its rate.
pub const KEY_BURST_SECONDS: f64 = 2.0;

/// How exactly the last use of a key is recorded: a busy key costs one command in this time.
pub const KEY_USE_RESOLUTION: Duration = Duration::from_secs(300);

/// How long changes of the network of tasks gather before agents are told: a burst costs one message each.
pub const NETWORK_PAUSE: Duration = Duration::from_millis(50);

/// How long a throttled or unavailable caller is asked to wait before it tries again.
pub const RETRY_DELAY: Duration = Duration::from_millis(500);

/// How often a request that lost a race is validated again on a newer view before the caller is told to try again.
pub const RACES_PER_CALL: usize = 3;

/// How long a call waits until its own change has arrived in the local state; beyond it the caller is told that the
/// change was made and cannot be shown. Followers are behind by a heartbeat, or they are cut off.
pub const CATCH_UP: Duration = Duration::from_secs(10);

/// Tokens that are remembered as verified; beyond it those whose time is over are forgotten, and if there are none, all.
pub const VERIFIED_TOKENS: usize = 4_096;

/// How long a token is remembered as verified. Short: what is remembered costs a lookup instead of an HMAC, no more.
pub const VERIFIED_TOKEN_LIFE: Duration = Duration::from_secs(30);

/// Events of one batch of WatchEvents, the most that a stream holds in memory besides what its transport buffers.
pub const EVENTS_PER_BATCH: usize = 256;
/// What the newest log entries may take in memory; older ones are read from disk.
pub const LOG_TAIL_BYTES: usize = 16 << 20;

/// Log entries since the last snapshot, in mebibytes, unless configured otherwise; beyond it a snapshot is made even when
/// there are few of them. A controller that restarts replays as much, which takes about a second; sled takes twice as
/// much on disk.
pub const LOG_MIB_BEFORE_SNAPSHOT: u64 = 128;

/// The part of those bytes that is kept though a snapshot has them; what is older goes, and a follower that is further
/// behind gets the snapshot.
pub const LOG_PART_BEHIND_SNAPSHOT: u64 = 4;

/// Keys of purged log entries that are deleted at once; a write that arrives meanwhile waits for a few milliseconds.
pub const LOG_SWEEP_KEYS: usize = 512;

/// What one message with log entries to another controller carries, beyond its first entry. Takes 40 ms over 100 Mbit/s,
/// well within a heartbeat.
pub const APPEND_BYTES: usize = 1 << 19;

/// A part of a snapshot on its way to another controller.
pub const SNAPSHOT_CHUNK_BYTES: usize = 4 << 20;

/// A message between controllers; more is refused. The largest are a snapshot chunk, and log entries up to
/// [`APPEND_BYTES`] with one more entry of up to [`PROPOSAL_BYTES`].
pub const PEER_MESSAGE_BYTES: usize = 8 << 20;

/// An encoded command; more is refused before it is proposed. Source: swarmkit's bound on a proposal, 1.5 MiB.
pub const PROPOSAL_BYTES: usize = 3 << 19;

/// The encoded commands that share one log entry; what arrives beyond goes into the next. A command that is larger has
/// one of its own.
pub const ENTRY_BYTES: usize = 1 << 18;

/// Commands of one log entry; what arrives beyond goes into the next.
pub const ENTRY_COMMANDS: usize = 512;

/// Log entries that the leader hands to openraft before the first of them is applied. While one is on its way to the
/// disks the next gathers, so a few are enough; more would only make entries smaller.
pub const ENTRIES_IN_FLIGHT: usize = 4;

/// Commands of one call to the leader; what arrives beyond goes into the next. Few enough that the answers, which may
/// name hundreds of refused tasks each, fit into one message.
pub const FORWARD_COMMANDS: usize = 64;

/// Calls with commands to the leader at a time; what arrives meanwhile gathers for the next.
pub const FORWARDS_IN_FLIGHT: usize = 16;

/// Proposals that one controller waits for, its own and forwarded ones; beyond it, new ones are refused as overloaded.
pub const PROPOSALS_IN_FLIGHT: usize = 8_192;

/// Changes that a subscriber may be behind; beyond it, it is told to look at the whole view.
pub const CHANGE_RING: usize = 4_096;

/// Addresses of controllers that connections are kept to; beyond it, all are made again when they are next needed.
pub const PEER_ADDRESSES: usize = 64;

/// Linearizable reads that wait for their index at one controller; beyond it, new ones are refused as overloaded.
pub const READS_IN_FLIGHT: usize = 16_384;

/// Sessions of agents; one more is told to try another controller.
pub const SESSIONS: usize = 5_000;

/// Messages waiting for one agent; an agent that lets them wait for long loses its session.
pub const SESSION_QUEUE: usize = 64;

/// Task reports of one command; what is more goes into the next.
pub const REPORTS_PER_COMMAND: usize = 500;

/// What the answer of a webhook may have; a longer one is a failure.
pub const WEBHOOK_ANSWER_BYTES: usize = 64 << 10;

/// How long a webhook may take to answer; beyond it, it is asked again.
pub const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(10);

/// Log streams through one controller; one more is refused.
pub const LOG_STREAMS: usize = 256;

/// Questions to agents about what tasks use, open at a time through one controller; one more is refused.
pub const USAGE_QUESTIONS: usize = 256;

/// Deployments whose images agents were told of, by service; beyond it some may be told twice.
pub const PREFETCHES_REMEMBERED: usize = 10_000;

/// Chunks waiting in one log stream; beyond it the agent waits.
pub const LOG_CHUNKS_IN_FLIGHT: usize = 64;

/// Conduits into containers to the agents of one controller; one more is refused.
pub const CONDUITS: usize = 256;

/// Chunks of a conduit waiting in each direction; beyond it whoever sends waits.
pub const CONDUIT_CHUNKS_IN_FLIGHT: usize = 16;

/// How long an agent may take to call back for a conduit.
pub const CONDUIT_CALL_BACK: Duration = Duration::from_secs(10);

/// How long nothing may be typed or printed at a terminal before its command is ended; ECS's own.
pub const IDLE_TERMINAL: Duration = Duration::from_secs(20 * 60);

/// Connections at a time that share one data channel; one more is closed.
pub const CHANNEL_CONNECTIONS: usize = 64;

/// WebSockets at a time that have not shown the token of a session; one more is closed.
pub const OPENING_CHANNELS: usize = 128;

/// How long the token of a session is good for: the client connects at once.
pub const SESSION_TOKEN_LIFE: Duration = Duration::from_secs(60);

/// Of what is printed in a session, chunks on their way to the archive; what comes beyond it is not kept.
pub const TRANSCRIPT_CHUNKS: usize = 256;

/// What is kept of a session; the rest is not.
pub const TRANSCRIPT_BYTES: usize = 64 << 20;

/// What of it is kept at a time.
pub const TRANSCRIPT_BATCH_BYTES: usize = 256 << 10;

/// What of a line without an end is kept as one event.
pub const TRANSCRIPT_LINE_BYTES: usize = 64 << 10;

/// What the archive of logs takes on the disk of one controller, in mebibytes, unless configured otherwise; beyond it the
/// oldest events go.
pub const LOG_ARCHIVE_MIB: u64 = 10 << 10;

/// What the archive of logs may keep of its files in memory.
pub const ARCHIVE_CACHE_BYTES: u64 = 8 << 20;

/// Writes that wait for the archive of one controller; beyond it, whoever writes waits. Each may have a mebibyte.
pub const ARCHIVE_WRITES: usize = 32;

/// Reads of one controller's archive at a time; more wait.
pub const ARCHIVE_READS: usize = 8;

/// What one read looks at before it answers with what it has, so that a filter that finds nothing does not take for ever.
pub const ARCHIVE_LOOKED_AT_BYTES: usize = 32 << 20;

/// How long it looks, should that be over earlier.
pub const ARCHIVE_LOOKED_FOR: Duration = Duration::from_secs(1);

/// Lines of the log of one container that are read from its end; more are not shown.
pub const ARCHIVE_TAIL: u32 = 100_000;

/// Log streams in one message between controllers; more come with the next.
pub const ARCHIVE_STREAMS_PER_LIST: usize = 5_000;

/// Bytes of events that one controller copies from another at a time, and streams that are looked at for them; more come with
/// the next page.
pub const ARCHIVE_PAGE_BYTES: usize = 1 << 20;
/// See above.
pub const ARCHIVE_PAGE_STREAMS: usize = 2_000;

/// Copies of log events on their way to one other controller; beyond it, no copy is made there, and the write fails if that is
/// one too many.
pub const ARCHIVE_COPIES: usize = 64;
