//! The promises of the driver, on paused time.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use super::*;
use crate::telemetry::test::capture;

const RESYNC: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(5);

/// What every round records: when, since the start, and for which key.
#[derive(Clone)]
struct Diary {
    origin: Instant,
    rounds: Arc<Mutex<Vec<(u64, &'static str)>>>,
}

impl Diary {
    fn new() -> Self {
        Self { origin: Instant::now(), rounds: Arc::default() }
    }

    fn note(&self, key: &'static str) {
        let at_ms = u64::try_from(self.origin.elapsed().as_millis()).unwrap();
        self.rounds.lock().push((at_ms, key));
    }

    /// What was recorded since the last call.
    fn take(&self) -> Vec<(u64, &'static str)> {
        std::mem::take(&mut self.rounds.lock())
    }

    /// A row without keys of its own, whose rounds take `takes`.
    fn row(
        &self,
        takes: Duration,
        outcome: impl Fn(&'static str) -> Outcome + Send + Sync + 'static,
    ) -> Row<&'static str> {
        let (diary, outcome) = (self.clone(), Arc::new(outcome));
        Row::new("test", RESYNC, Vec::new, move |key| {
            diary.note(key);
            let outcome = Arc::clone(&outcome);
            async move {
                tokio::time::sleep(takes).await;
                outcome(key)
            }
        })
    }
}

fn quiet(_key: &'static str) -> Outcome {
    Outcome::quiescent("nothing to do")
}

/// Lets paused time pass, and with it everything that happens in it.
async fn pass(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

#[tokio::test(start_paused = true)]
async fn wake_ups_of_one_key_are_one_round() {
    let (shutdown, diary) = (Shutdown::new(), Diary::new());
    let handle = diary.row(Duration::ZERO, quiet).start(&shutdown);
    for _ in 0..100 {
        handle.poke("a");
    }
    handle.poke("b");
    pass(1_000).await;
    assert_eq!(diary.take(), [(0, "a"), (0, "b")]);
    shutdown.drain(PATIENCE).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_earlier_deadline_wins() {
    let (shutdown, diary) = (Shutdown::new(), Diary::new());
    let handle = diary.row(Duration::ZERO, quiet).start(&shutdown);
    handle.poke_in("a", Duration::from_secs(9));
    handle.poke_in("a", Duration::from_secs(4));
    handle.poke_in("a", Duration::from_secs(7));
    pass(20_000).await;
    assert_eq!(diary.take(), [(4_000, "a")]);
    shutdown.drain(PATIENCE).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_key_is_woken_when_its_last_round_asked_for_it() {
    let (shutdown, diary) = (Shutdown::new(), Diary::new());
    let row = diary.row(Duration::ZERO, |_| Outcome::quiescent("waiting").wake_in(Duration::from_secs(10)));
    let handle = row.start(&shutdown);
    handle.poke("a");
    pass(15_000).await;
    handle.poke("a");
    pass(14_000).await;
    assert_eq!(diary.take(), [(0, "a"), (10_000, "a"), (15_000, "a"), (25_000, "a")]);
    shutdown.drain(PATIENCE).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_key_woken_in_flight_gets_one_more_round_afterwards() {
    let (shutdown, diary) = (Shutdown::new(), Diary::new());
    let handle = diary.row(Duration::from_secs(5), quiet).start(&shutdown);
    handle.poke("a");
    pass(1_000).await;
    handle.poke("a");
    handle.poke("a");
    assert_eq!(diary.take(), [(0, "a")]);
    pass(20_000).await;
    assert_eq!(diary.take(), [(5_000, "a")]);
    shutdown.drain(PATIENCE).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn rounds_in_flight_are_bounded_and_the_longest_due_goes_first() {
    let (shutdown, diary) = (Shutdown::new(), Diary::new());
    let handle = diary.row(Duration::from_secs(1), quiet).concurrency(2).start(&shutdown);
    for key in ["d", "c", "b", "a"] {
        handle.poke(key);
        pass(1).await;
    }
    pass(10_000).await;
    assert_eq!(diary.take(), [(0, "d"), (1, "c"), (1_000, "b"), (1_001, "a")]);
    shutdown.drain(PATIENCE).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn all_keys_are_looked_at_at_the_start_at_every_resync_and_when_asked() {
    let (shutdown, diary) = (Shutdown::new(), Diary::new());
    let mut row = diary.row(Duration::ZERO, quiet);
    row.keys = Box::new(|| vec!["a", "b"]);
    let handle = row.start(&shutdown);
    pass(30_000).await;
    assert_eq!(diary.take(), [(0, "a"), (0, "b")]);
    handle.poke_all();
    pass(1_000).await;
    assert_eq!(diary.take(), [(30_000, "a"), (30_000, "b")]);
    pass(40_000).await;
    assert_eq!(diary.take(), [(60_000, "a"), (60_000, "b")]);
    shutdown.drain(PATIENCE).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_key_that_acted_is_looked_at_again_until_it_rests() {
    let (shutdown, diary) = (Shutdown::new(), Diary::new());
    let left = Mutex::new(BTreeMap::from([("a", 3)]));
    let handle = diary
        .row(Duration::from_millis(100), move |key| match left.lock().get_mut(key) {
            Some(left) if *left > 0 => {
                *left -= 1;
                Outcome::acted(200, "placing")
            }
            _ => Outcome::quiescent("steady"),
        })
        .start(&shutdown);
    handle.poke("a");
    pass(10_000).await;
    assert_eq!(diary.take(), [(0, "a"), (100, "a"), (200, "a"), (300, "a")]);
    let status = handle.status().borrow().clone();
    assert_eq!((status.rounds, status.commands), (4, 600));
    shutdown.drain(PATIENCE).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_status_tells_the_last_round_and_what_waits() {
    let (shutdown, diary) = (Shutdown::new(), Diary::new());
    let handle = diary.row(Duration::from_millis(250), quiet).concurrency(1).start(&shutdown);
    let mut watch = handle.status();
    handle.poke("a");
    handle.poke("b");
    handle.poke_in("c", Duration::from_secs(2));
    watch.changed().await.unwrap();
    let status = watch.borrow_and_update().clone();
    let last = Round {
        key: "a".to_owned(),
        reason: "nothing to do".to_owned(),
        quiescent: true,
        duration: Duration::from_millis(250),
        ended: tokio::time::Instant::now(),
    };
    assert_eq!(status.last, Some(last));
    assert_eq!((status.name, status.rounds, status.queue_length, status.in_flight), ("test", 1, 2, 0));
    assert_eq!(status.next_wake, Some(Duration::ZERO));
    shutdown.drain(PATIENCE).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_restless_key_is_warned_of_once_and_spaced() {
    let logged = capture();
    let (shutdown, diary) = (Shutdown::new(), Diary::new());
    let rest = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let rests = Arc::clone(&rest);
    let row = diary.row(Duration::from_millis(10), move |_| {
        if rests.load(std::sync::atomic::Ordering::SeqCst) {
            return Outcome::quiescent("steady");
        }
        Outcome::acted(1, "rejected: name taken")
    });
    let handle = row.restless_after(3).start(&shutdown);
    handle.poke("a");
    pass(2_500).await;
    assert_eq!(diary.take(), [(0, "a"), (10, "a"), (20, "a"), (1_030, "a"), (2_040, "a")]);
    let status = handle.status().borrow().clone();
    assert_eq!((status.restless, status.restless_count), (vec!["a".to_owned()], 1));

    // A wake-up from outside is not held back.
    handle.poke("a");
    pass(100).await;
    assert_eq!(diary.take(), [(2_500, "a")]);
    let warned = logged.unexpected(&[]);
    assert!(matches!(warned.as_slice(), [line] if line.contains("rejected: name taken")), "{warned:?}");

    rest.store(true, std::sync::atomic::Ordering::SeqCst);
    pass(5_000).await;
    assert_eq!(diary.take(), [(3_510, "a")]);
    assert_eq!(handle.status().borrow().restless_count, 0);
    assert!(logged.contains("has come to rest"));
    shutdown.drain(PATIENCE).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_time_to_look_again_is_kept_even_by_a_restless_key() {
    let (shutdown, diary) = (Shutdown::new(), Diary::new());
    let row =
        diary.row(Duration::ZERO, |_| Outcome::acted(0, "no capacity").wake_in(Duration::from_secs(10)));
    let handle = row.restless_after(1).start(&shutdown);
    handle.poke("a");
    pass(15_000).await;
    assert_eq!(diary.take(), [(0, "a"), (10_000, "a")]);
    shutdown.drain(PATIENCE).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_cancellation_drops_rounds_in_flight() {
    let (shutdown, diary) = (Shutdown::new(), Diary::new());
    let epoch = shutdown.child();
    let handle = diary.row(Duration::from_secs(3_600), quiet).start(&epoch);
    handle.poke("a");
    pass(1).await;
    assert_eq!(diary.take(), [(0, "a")]);
    epoch.drain(PATIENCE).await.unwrap();
    handle.poke("a");
    pass(10_000).await;
    assert_eq!((diary.take(), handle.status().borrow().rounds), (vec![], 0));
    assert!(!shutdown.failed());
}

#[tokio::test(start_paused = true)]
async fn a_round_that_panics_ends_the_process() {
    let _logged = capture();
    let (shutdown, diary) = (Shutdown::new(), Diary::new());
    let row = diary.row(Duration::ZERO, |key| panic!("no such service: {key}"));
    let handle = row.start(&shutdown);
    handle.poke("a");
    shutdown.token().cancelled().await;
    assert!(shutdown.failed());
}
