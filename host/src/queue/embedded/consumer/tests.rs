use super::super::tests::{CONSUMER, Fixture};
use super::*;
use crate::queue::control::{Control as _, Filter, Request, Response, Which};
use crate::queue::store::Fate;
use crate::queue::{Deliver as _, DuplicateSettings, SameTrace, Settings, Settlement, TraceIdentity};
use crate::record::Rejection;

const TRACE: TraceIdentity = TraceIdentity { trace_id: [1; 16], span_id: [2; 8] };

impl Fixture {
    /// What can be taken now.
    async fn take(&mut self) -> Vec<EmbeddedDelivery> {
        self.consumer.take(64, usize::MAX).await
    }

    async fn ask(&self, request: Request) -> Response {
        self.queue.control().answer(request).await.expect("it can be answered")
    }

    /// Delivers all there is to take, as one and the same trace. Ends when nothing is under way any more; the queue is to
    /// be finished before.
    async fn deliver_all(&mut self) {
        while self.consumer.has_more().await {
            for delivery in self.take().await {
                if let Some(delivery) = delivery.claim(TRACE) {
                    delivery.settle(Settlement::Acknowledged);
                }
            }
        }
    }

    /// How many were delivered, superseded, duplicates; nothing waits.
    fn counts(&self) -> [u64; 3] {
        let follower = locked(&self.consumer.seat.follower);
        assert_eq!(follower.waiting(), 0);
        let counts = &follower.counts;
        [counts.delivered, counts.superseded, counts.duplicates]
    }
}

fn bodies(batch: &[EmbeddedDelivery]) -> Vec<&str> {
    batch.iter().map(|it| std::str::from_utf8(&it.record().body).expect("a text")).collect()
}

fn only(mut batch: Vec<EmbeddedDelivery>) -> EmbeddedDelivery {
    assert_eq!(batch.len(), 1);
    batch.remove(0)
}

/// While a version of a session is under way and another one waits for what becomes of it, the queue is not at its end,
/// though nothing more comes and nothing is there to take.
#[tokio::test]
async fn there_is_more_while_anything_is_out() {
    for (same_trace, expected) in [(SameTrace::First, [1, 1, 0]), (SameTrace::Latest, [2, 0, 0])] {
        let duplicates = DuplicateSettings { same_trace, ..DuplicateSettings::default() };
        let mut fixture = Fixture::new(Settings { duplicates, ..Settings::default() });
        fixture.append(&["version 1", "version 2"]).await;
        let mut claimed = fixture.take().await.into_iter().filter_map(|delivery| delivery.claim(TRACE));
        let first = claimed.next().expect("nothing else was under way");
        assert!(claimed.next().is_none(), "the other waits for it");
        drop(claimed);
        fixture.queue.finish();
        let settle = async { first.settle(Settlement::Acknowledged) };
        let (has_more, ()) = tokio::join!(fixture.consumer.has_more(), settle);
        assert!(has_more, "{same_trace:?}");
        fixture.deliver_all().await;
        assert_eq!(fixture.counts(), expected, "{same_trace:?}");
    }
}

/// When very many records become the same as one that is under way, nothing more is taken until it is settled. Then all of
/// them are answered for.
#[tokio::test]
async fn what_waits_for_another_record_is_bounded() {
    const RECORDS: usize = PARKED_MAX + 2 * RECORDS_AT_ONCE;
    let mut fixture = Fixture::new(Settings::default());
    fixture.append(&["a"; RECORDS]).await;
    let (mut first, mut taken) = (None, 0);
    loop {
        let batch = fixture.take().await;
        if batch.is_empty() {
            break;
        }
        taken += batch.len();
        first = batch.into_iter().filter_map(|delivery| delivery.claim(TRACE)).next().or(first);
    }
    assert!((PARKED_MAX..=PARKED_MAX + RECORDS_AT_ONCE).contains(&taken), "{taken} of {RECORDS} were taken");
    first.expect("one is delivered").settle(Settlement::Acknowledged);
    fixture.queue.finish();
    fixture.deliver_all().await;
    assert_eq!(fixture.counts(), [1, 0, RECORDS as u64 - 1]);
}

/// What was taken from the log, and erased or given up before it was handed out, is not delivered any more.
#[tokio::test]
async fn what_is_not_open_any_more_is_not_handed_out() {
    let mut fixture = Fixture::new(Settings::default());
    fixture.append(&["a", "b"]).await;
    assert!(fixture.consumer.has_more().await);
    assert!(locked(&fixture.consumer.seat.follower).settle(0, 1, Fate::Erased), "it was taken");
    assert_eq!(bodies(&fixture.take().await), ["b"]);
    // Nobody answered for it, so it came back.
    assert!(fixture.consumer.has_more().await);
    fixture.ask(Request::Forget { consumer: CONSUMER.to_owned() }).await;
    assert_eq!(bodies(&fixture.take().await), [] as [&str; 0]);
}

/// History is delivered as it was: what was delivered then is delivered again, and what was superseded is left out again.
#[tokio::test]
async fn a_replay_leaves_out_what_was_superseded() {
    let mut fixture = Fixture::new(Settings { keep: Duration::from_secs(3600), ..Settings::default() });
    fixture.append(&["version 1", "version 2"]).await;
    fixture.queue.finish();
    fixture.deliver_all().await;
    assert_eq!(fixture.counts(), [1, 1, 0]);
    let replay = Request::Replay { consumer: CONSUMER.to_owned(), since_ms: 0, dry_run: false, passage: None };
    assert!(matches!(fixture.ask(replay).await, Response::Replay(replay) if replay.records == 2));
    fixture.deliver_all().await;
    assert_eq!(fixture.counts(), [2, 2, 0]);
}

/// A dead letter that is delivered once more does not stand for its trace: whether it comes back or is delivered, what
/// waits for another record of that trace goes on waiting.
#[tokio::test]
async fn one_without_a_claim_lets_nothing_go_on() {
    let mut fixture = Fixture::new(Settings::default());
    fixture.append(&["letter"]).await;
    let rejection = Rejection {
        class: "incomplete".to_owned(),
        code: "no_time".to_owned(),
        path: None,
        message: String::new(),
        position: None,
    };
    only(fixture.take().await).settle(Settlement::Rejected(rejection));
    fixture.append(&["under way", "waits"]).await;
    let mut claimed = fixture.take().await.into_iter().filter_map(|delivery| delivery.claim(TRACE));
    let under_way = claimed.next().expect("the first of its trace");
    assert!(claimed.next().is_none());
    drop(claimed);
    let which = Which::Matching { filter: Filter::default(), next: 0, end: None };
    fixture.ask(Request::Revive { which, consumers: None, dry_run: false }).await;

    assert!(fixture.consumer.has_more().await);
    let letter = only(fixture.take().await).claim(TRACE).expect("somebody asked for it");
    drop(letter);
    assert!(fixture.consumer.has_more().await);
    let letter = only(fixture.take().await);
    assert_eq!(letter.record().body, "letter");
    letter.claim(TRACE).expect("somebody asked for it").settle(Settlement::Acknowledged);
    // It is written with the first of these, and all that follows from that was done before the second.
    for body in ["c", "d"] {
        fixture.append(&[body]).await;
    }
    assert!(fixture.consumer.has_more().await);
    assert_eq!(bodies(&fixture.take().await), ["c", "d"]);

    under_way.settle(Settlement::Acknowledged);
    assert!(fixture.consumer.has_more().await);
}
