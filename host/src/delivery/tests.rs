//! What becomes of records when a backend answers on cue: nothing is mapped here, and nobody is asked over a wire.

mod healthcheck;
mod pace;

use super::sending::Sender;
use super::*;
use crate::export::fixtures::answered_call;
use crate::export::{Answer, Cause, Refusal};
use crate::record::Rejection;
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use std::sync::{Mutex, PoisonError};

/// Nobody waits so long in a test: what would take it does not happen.
const EVER: Duration = Duration::from_secs(3600);

/// The calls in each request, in the order in which they came.
type Heard = Arc<Mutex<Vec<Vec<u8>>>>;

/// What became of each trace, by its number; shared with the deliveries.
#[derive(Clone, Default)]
struct Told {
    became: Arc<Mutex<Vec<(u8, String)>>>,
    /// When the senders were told to come again.
    retry_after: Arc<Mutex<Vec<Duration>>>,
}

/// A record that becomes the call of this number.
struct Double {
    number: u8,
    told: Told,
}

impl Told {
    fn add(&self, number: u8, what: &str) {
        self.became.lock().unwrap_or_else(PoisonError::into_inner).push((number, what.to_owned()));
    }

    fn sorted(&self) -> Vec<(u8, String)> {
        let mut told = self.became.lock().unwrap_or_else(PoisonError::into_inner).clone();
        told.sort();
        told
    }
}

impl Deliver for Double {
    fn record(&self) -> &Record {
        unreachable!("it is mapped")
    }

    fn claim(self, _: TraceIdentity) -> Option<Self> {
        Some(self)
    }

    fn settle(self, settlement: Settlement) {
        let what = match settlement {
            Settlement::Acknowledged => "taken",
            Settlement::RetryAfter(after) => {
                self.told.retry_after.lock().unwrap_or_else(PoisonError::into_inner).push(after);
                "given back"
            }
            Settlement::NotTaken(_) => unreachable!("it was taken out"),
            Settlement::Rejected(rejection) => return self.told.add(self.number, &rejection.code),
        };
        self.told.add(self.number, what);
    }

    fn settle_in_part(self, rejection: Rejection) {
        assert_eq!(rejection.class, "partially_refused");
        self.told.add(self.number, &rejection.code);
    }
}

/// The numbers of the calls in a request.
fn numbers(request: &Bytes) -> Vec<u8> {
    let request = ExportTraceServiceRequest::decode(request.clone()).expect("protocol buffers");
    let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
    let mut numbers: Vec<u8> = scopes.flat_map(|scope| &scope.spans).map(|span| span.trace_id[0]).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// A sender whose backend is this function of the calls in a request, and the requests that it got.
fn sender(settings: Settings, answer: impl Fn(&[u8]) -> Answer + Send + Sync + 'static) -> (Arc<Sender>, Heard) {
    let heard = Heard::default();
    let hears = Arc::clone(&heard);
    let exporter = Exporter::double(move |request| {
        let numbers = numbers(&request);
        let answer = answer(&numbers);
        hears.lock().expect("no panic").push(numbers);
        answer
    });
    let hold = Hold::new(BackoffSettings { initial_delay: Duration::ZERO, ..BackoffSettings::default() });
    (Arc::new(Sender { exporter, hold, turns: Turns::default(), settings, reports: Reports::default() }), heard)
}

fn patient() -> Settings {
    let backoff = BackoffSettings { initial_delay: Duration::ZERO, ..BackoffSettings::default() };
    Settings { retry_for: None, suspicion: EVER, backoff, ..Settings::default() }
}

fn batch(told: &Told, numbers: impl IntoIterator<Item = u8> + Clone) -> Delivering<Double> {
    let double = |number| Some(Double { number, told: told.clone() });
    let deliveries = numbers.clone().into_iter().map(double).collect();
    let traces = numbers.into_iter().map(answered_call).collect();
    Delivering { deliveries, prepared: Exporter::double(|_| Answer::Accepted).prepare(traces, &Scope::default()) }
}

fn refused(cause: Cause) -> Answer {
    Answer::Refused(Refusal { status: "HTTP 400".to_owned(), cause, reason: "told to".to_owned() })
}

fn told(what: &[(u8, &str)]) -> Vec<(u8, String)> {
    what.iter().map(|(number, what)| (*number, (*what).to_owned())).collect()
}

#[tokio::test]
async fn of_a_request_that_is_refused_only_the_guilty_trace_is_rejected() {
    for guilty in 1..=8 {
        let (sender, heard) =
            sender(
                patient(),
                move |calls| {
                    if calls.contains(&guilty) { refused(Cause::Unnamed) } else { Answer::Accepted }
                },
            );
        let all = Told::default();
        sender.send(batch(&all, 1..=8), ()).await;
        let expected: Vec<_> =
            (1..=8).map(|call| (call, if call == guilty { "backend_refused" } else { "taken" })).collect();
        assert_eq!(all.sorted(), told(&expected));
        let heard = heard.lock().expect("no panic");
        // The first of all is alone before anything was taken, and is sent once more.
        let times = if guilty == 1 { 2 } else { 1 };
        assert_eq!(heard.iter().filter(|calls| **calls == [guilty]).count(), times, "{heard:?}");
    }
}

/// One trace refused alone has nobody to compare it with: it is given up after a while, and holds up nobody.
#[tokio::test]
async fn a_suspect_is_given_up_when_nothing_else_comes() {
    let settings = Settings { suspicion: Duration::ZERO, ..patient() };
    let (sender, heard) = sender(settings, |_| refused(Cause::Unnamed));
    let all = Told::default();
    sender.send(batch(&all, [1]), ()).await;
    assert_eq!(all.sorted(), told(&[(1, "backend_refused")]));
    assert_eq!(heard.lock().expect("no panic").len(), 1);
}

/// A token that is wrong, then right: nothing is rejected, one trace is sent at a time, and all are delivered.
#[tokio::test]
async fn a_refusal_of_the_configuration_holds_the_sink_until_a_probe_is_taken() {
    for cause in [Cause::Credentials, Cause::Permission, Cause::Address, Cause::Redirect] {
        let asked = Mutex::new(0);
        let (sender, heard) = sender(patient(), move |_| {
            let mut asked = asked.lock().expect("no panic");
            *asked += 1;
            if *asked <= 3 { refused(cause) } else { Answer::Accepted }
        });
        let all = Told::default();
        sender.send(batch(&all, 1..=4), ()).await;
        assert_eq!(all.sorted(), told(&[(1, "taken"), (2, "taken"), (3, "taken"), (4, "taken")]));
        let heard = heard.lock().expect("no panic");
        assert_eq!(heard.iter().map(Vec::len).collect::<Vec<_>>(), [4, 1, 1, 1, 3], "{heard:?}");
    }
}

/// A backend that refuses everything, whatever it says, gets nothing out of the queue; once it takes something, all of it.
#[tokio::test]
async fn five_traces_refused_in_a_row_hold_the_sink_and_none_of_them_is_lost() {
    let refusals = Mutex::new(0);
    let (sender, _) = sender(patient(), move |calls| {
        let mut refusals = refusals.lock().expect("no panic");
        // Long after the fifth.
        if *refusals < 30 {
            *refusals += usize::from(calls.len() == 1);
            return refused(Cause::Unnamed);
        }
        Answer::Accepted
    });
    let all = Told::default();
    sender.send(batch(&all, 1..=20), ()).await;
    assert_eq!(all.sorted(), (1..=20).map(|call| (call, "taken".to_owned())).collect::<Vec<_>>());
}

/// The same from batches of one trace each, side by side.
#[tokio::test]
async fn refusals_in_a_row_are_those_of_all_batches() {
    let (sender, _) = sender(patient(), |_| refused(Cause::Unnamed));
    let all = Told::default();
    let mut under_way = JoinSet::new();
    for call in 1..=5 {
        let (sender, batch) = (Arc::clone(&sender), batch(&all, [call]));
        under_way.spawn(async move { sender.send(batch, ()).await });
    }
    sender.hold.more_is_known(0).await;
    assert!(sender.hold.pass().await.is_probe());
    assert_eq!(all.sorted(), []);
}

/// The guilty ones come first and are as many as hold a sink: the probes find one that is taken.
#[tokio::test]
async fn many_guilty_traces_do_not_hold_the_sink_for_ever() {
    let (sender, _) =
        sender(
            patient(),
            |calls| if calls.iter().any(|call| *call <= 7) { refused(Cause::Unnamed) } else { Answer::Accepted },
        );
    let all = Told::default();
    sender.send(batch(&all, 1..=9), ()).await;
    let expected: Vec<_> = (1..=9).map(|call| (call, if call <= 7 { "backend_refused" } else { "taken" })).collect();
    assert_eq!(all.sorted(), told(&expected));
}

#[tokio::test]
async fn senders_that_wait_are_told_to_come_again_by_a_sink_that_is_held() {
    let settings = Settings { retry_for: Some(Duration::ZERO), ..patient() };
    let (sender, heard) = sender(settings, |_| refused(Cause::Credentials));
    let all = Told::default();
    sender.hold.hold(Some(EVER));
    sender.send(batch(&all, 1..=2), ()).await;
    assert_eq!(all.sorted(), told(&[(1, "given back"), (2, "given back")]));
    assert_eq!(heard.lock().expect("no panic").len(), 0, "it is held for longer");
}

#[tokio::test]
async fn a_request_that_is_too_large_is_halved_until_only_the_guilty_trace_is_rejected() {
    let (sender, heard) = sender(patient(), |calls| {
        let reason = "larger than max".to_owned();
        if calls.len() > 2 || calls == [2] || calls == [1, 2] { Answer::TooLarge { reason } } else { Answer::Accepted }
    });
    let all = Told::default();
    sender.send(batch(&all, 1..=4), ()).await;
    assert_eq!(all.sorted(), told(&[(1, "taken"), (2, "trace_too_large"), (3, "taken"), (4, "taken")]));
    assert_eq!(*heard.lock().expect("no panic"), [vec![1, 2, 3, 4], vec![1, 2], vec![1], vec![2], vec![3, 4]]);
}

/// Of some, of all, and of none of the spans of a request; it is not sent again.
#[tokio::test]
async fn rejected_spans_are_never_sent_again() {
    for (rejected_spans, became) in [(0, "taken"), (1, "spans_rejected"), (7, "spans_rejected"), (8, "backend_refused")]
    {
        let (sender, heard) =
            sender(patient(), move |_| Answer::PartiallyAccepted { rejected_spans, message: "told to".to_owned() });
        let all = Told::default();
        sender.send(batch(&all, 1..=2), ()).await;
        assert_eq!(all.sorted(), told(&[(1, became), (2, became)]), "{rejected_spans}");
        assert_eq!(heard.lock().expect("no panic").len(), 1);
    }
}

/// What was settled is not sent again, and the rest is, once the backend takes it.
#[tokio::test]
async fn only_what_a_backend_could_not_take_is_sent_again() {
    let asked = Mutex::new(0);
    let (sender, heard) = sender(patient(), move |_| {
        let mut asked = asked.lock().expect("no panic");
        *asked += 1;
        match *asked {
            1 => Answer::TooLarge { reason: String::new() },
            3 | 4 => Answer::Retry { after: Some(Duration::ZERO), reason: "down".to_owned() },
            _ => Answer::Accepted,
        }
    });
    let all = Told::default();
    sender.send(batch(&all, 1..=2), ()).await;
    assert_eq!(all.sorted(), told(&[(1, "taken"), (2, "taken")]));
    assert_eq!(*heard.lock().expect("no panic"), [vec![1, 2], vec![1], vec![2], vec![2], vec![2]]);
}

#[tokio::test]
async fn senders_that_wait_are_told_when_the_backend_wants_to_be_asked_again() {
    let settings = Settings { retry_for: Some(Duration::from_secs(1)), ..patient() };
    let (sender, heard) =
        sender(settings, |_| Answer::Retry { after: Some(Duration::from_secs(60)), reason: "busy".to_owned() });
    let all = Told::default();
    sender.send(batch(&all, [1]), ()).await;
    assert_eq!(all.sorted(), told(&[(1, "given back")]));
    assert_eq!(heard.lock().expect("no panic").len(), 1);
}
