//! One batch on its way to the backend: request by request, until it is known of each trace what becomes of it.
//!
//! A refusal may be the fault of one trace, or of nothing in the request. So a request that was refused is halved until
//! a single trace is refused: halves find one guilty trace of 64 with 13 requests at most, where one by one takes 65. It
//! is guilty when the backend took something else since it was first accused, by a refusal of a request that it was in.
//! Otherwise it is a suspect: it goes last, and is guilty when the backend takes something else and refuses it again.
//!
//! When nothing is taken between, so many refusals in a row hold the sink ([`super::hold`]), and the suspects wait with
//! all others. When nothing more comes at all, a suspect is found guilty after a while.

use super::hold::{Hold, Past};
use super::turns::Turns;
use super::{Delivering, Reports, Settings, rejections};
use crate::export::{Answer, Backoff, Exporter, Prepared, Refusal};
use crate::queue::{Deliver, Settlement};
use crate::record::Rejection;
use std::ops::Range;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// When a sender should come again, if the backend has not said when that is.
const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(5);

/// What the batches of one route send with.
pub(super) struct Sender {
    pub(super) exporter: Exporter,
    pub(super) hold: Hold,
    pub(super) turns: Turns,
    pub(super) settings: Settings,
    pub(super) reports: Reports,
}

/// The traces of one batch that are not settled.
struct Batch<'s, D> {
    sender: &'s Sender,
    prepared: Prepared,
    /// By the positions of their traces; each is taken out of its place as it is settled.
    deliveries: Vec<Option<D>>,
    /// By the positions of the traces.
    accusations: Vec<Option<Accusation>>,
    backoff: Backoff,
    /// When the senders are told to come again.
    give_up_at: Option<Instant>,
}

/// A trace was in a request that was refused.
#[derive(Clone, Copy)]
struct Accusation {
    /// Nothing else was in it: the trace is a suspect.
    is_alone: bool,
    /// How often the sink had been held, and how many requests had been taken.
    then: Past,
}

impl Sender {
    /// Sends all of this and settles the deliveries, in whose order the traces are. `turn` is given back early if the
    /// batch only waits for others to show who is at fault.
    pub(super) async fn send<D: Deliver>(&self, delivering: Delivering<D>, turn: impl Send) {
        let Delivering { deliveries, prepared } = delivering;
        let batch = Batch {
            sender: self,
            accusations: vec![None; deliveries.len()],
            prepared,
            deliveries,
            backoff: Backoff::new(self.settings.backoff, fastrand::u64(..)),
            give_up_at: self.settings.retry_for.and_then(|retry_for| Instant::now().checked_add(retry_for)),
        };
        batch.run(Some(turn)).await;
    }
}

impl<D: Deliver> Batch<'_, D> {
    async fn run(mut self, mut turn: Option<impl Send>) {
        while !self.prepared.is_done() {
            if self.has_only_suspects() {
                turn = None;
                if !self.clear_up().await {
                    continue;
                }
            }
            let Some(answer) = self.ask().await else { return self.give_back() };
            if let Answer::Retry { .. } = answer
                && !self.wait().await
            {
                return self.give_back();
            }
        }
        drop(turn);
    }

    /// Sends the next request as soon as that is allowed, and does what the answer asks for. None when time is up.
    async fn ask(&mut self) -> Option<Answer> {
        let Sender { exporter, hold, turns, reports, .. } = self.sender;
        if self.is_too_long(hold.left_alone_for()) {
            return None;
        }
        let pass = within(self.give_up_at, hold.pass()).await?;
        if pass.is_probe() {
            self.prepared.single_out();
        }
        let request = turns.send();
        let answer = exporter.send(&mut self.prepared).await?;
        reports.tried(request.answered(&answer));
        match &answer {
            Answer::Accepted => {
                self.taken();
                self.settle_next(|delivery| delivery.settle(Settlement::Acknowledged));
            }
            Answer::PartiallyAccepted { rejected_spans, message } => self.partly_taken(*rejected_spans, message),
            Answer::Refused(refusal) => self.refused(refusal, pass.is_probe()),
            Answer::TooLarge { .. } if self.prepared.halve() => {}
            Answer::TooLarge { reason } => self.reject_next(&rejections::too_large(self.prepared.next_bytes()), reason),
            Answer::Retry { after, reason } => {
                if let Some(respite) = *after {
                    hold.leave_alone(respite);
                }
                reports.unavailable(reason);
                if pass.is_probe() {
                    hold.hold(*after);
                }
            }
        }
        Some(answer)
    }

    fn taken(&mut self) {
        let Sender { hold, reports, .. } = self.sender;
        self.backoff.reset();
        hold.taken();
        reports.taken();
    }

    /// OTLP does not say which spans were rejected, and forbids to send any of them again.
    fn partly_taken(&mut self, rejected_spans: u64, message: &str) {
        let Sender { hold, reports, .. } = self.sender;
        let spans = self.prepared.next_spans();
        reports.rejected_spans(rejected_spans.min(spans), message);
        if rejected_spans == 0 {
            self.taken();
            self.settle_next(|delivery| delivery.settle(Settlement::Acknowledged));
        } else if rejected_spans < spans {
            self.taken();
            let rejection = rejections::partly_refused(rejected_spans, spans);
            self.settle_next(|delivery| delivery.settle_in_part(rejection.clone()));
        } else {
            if hold.refused() && hold.hold(None) {
                reports.held("the backend rejects all spans of one request after another: check what it says of them");
            }
            self.reject_next(&rejections::refused(), message);
        }
    }

    fn refused(&mut self, refusal: &Refusal, was_probe: bool) {
        let Sender { hold, reports, .. } = self.sender;
        if let Some(advice) = refusal.advice() {
            return self.hold(&advice);
        }
        if was_probe {
            self.accuse_next();
            self.prepared.postpone();
            return self.hold(&refusal.advice_in_a_row());
        }
        let before = self.accusation();
        self.accuse_next();
        if self.prepared.halve() {
            return reports.halved();
        }
        let is_guilty = before.is_some_and(|accusation| accusation.is_proved(hold.past()));
        if is_guilty && before.is_some_and(|accusation| accusation.is_alone) {
            return self.reject_next(&rejections::refused(), &refusal.reason);
        }
        if hold.refused() {
            self.prepared.postpone();
            self.hold(&refusal.advice_in_a_row());
        } else if is_guilty {
            self.reject_next(&rejections::refused(), &refusal.reason);
        } else {
            self.prepared.postpone();
            reports.suspected(&refusal.reason);
        }
    }

    /// Of the first trace of the next request.
    fn accusation(&self) -> Option<Accusation> {
        self.accusations.get(self.prepared.next().start).copied().flatten()
    }

    /// Notes that the next request was refused. What was noted of a trace alone stays.
    fn accuse_next(&mut self) {
        let (traces, then) = (self.prepared.next(), self.sender.hold.past());
        let is_alone = traces.len() == 1;
        for accusation in self.accusations.get_mut(traces).into_iter().flatten() {
            match accusation {
                Some(before) if before.is_alone => {}
                Some(before) if !is_alone && before.then.holds == then.holds => {}
                _ => *accusation = Some(Accusation { is_alone, then }),
            }
        }
    }

    fn hold(&self, advice: &str) {
        let Sender { hold, reports, .. } = self.sender;
        if hold.hold(None) {
            reports.held(advice);
        } else {
            reports.still_held(advice);
        }
    }

    fn has_only_suspects(&self) -> bool {
        let is_suspect =
            |trace: usize| matches!(self.accusations.get(trace), Some(Some(Accusation { is_alone: true, .. })));
        self.prepared.unsettled().all(is_suspect)
    }

    /// Waits until it can be told of the next trace, which is a suspect, whether it is guilty. False when it was found
    /// so, because nothing more came.
    async fn clear_up(&mut self) -> bool {
        let Sender { hold, settings, .. } = self.sender;
        let taken_then = self.accusation().map_or(0, |accusation| accusation.then.taken);
        let until = Instant::now().checked_add(settings.suspicion);
        if within(until, hold.more_is_known(taken_then)).await.is_some() {
            return true;
        }
        self.reject_next(&rejections::refused(), "refused alone, and nothing else was sent");
        false
    }

    /// Waits before the next try. False when time is up.
    async fn wait(&mut self) -> bool {
        let delay = self.backoff.next_delay(Some(self.sender.hold.left_alone_for()));
        let is_too_long = self.is_too_long(delay);
        if !is_too_long {
            tokio::time::sleep(delay).await;
        }
        !is_too_long
    }

    /// Whether the senders are told to come again before so much time has passed.
    fn is_too_long(&self, delay: Duration) -> bool {
        self.give_up_at.is_some_and(|give_up_at| Instant::now() + delay > give_up_at)
    }

    fn give_back(self) {
        let Sender { hold, reports, settings, .. } = self.sender;
        let retry_after = match hold.left_alone_for() {
            Duration::ZERO => RETRY_AFTER_DEFAULT.min(settings.backoff.max_retry_after),
            respite => respite,
        };
        let given_back = self.deliveries.into_iter().flatten();
        reports.given_back(given_back.map(|it| it.settle(Settlement::RetryAfter(retry_after))).count());
    }

    fn reject_next(&mut self, rejection: &Rejection, reason: &str) {
        let reports = &self.sender.reports;
        for delivery in self.take_next() {
            reports.refused(&rejection.code, reason);
            delivery.settle(Settlement::Rejected(rejection.clone()));
        }
    }

    /// The backend has the traces of the next request.
    fn settle_next(&mut self, settle: impl Fn(D)) {
        let reports = &self.sender.reports;
        for delivery in self.take_next() {
            reports.accepted();
            settle(delivery);
        }
    }

    fn take_next(&mut self) -> Vec<D> {
        let traces: Range<usize> = self.prepared.settle();
        let places = self.deliveries.get_mut(traces).into_iter().flatten();
        places.filter_map(Option::take).collect()
    }
}

impl Accusation {
    /// Whether it is the trace's own fault, now that it was refused alone. What was refused in company says nothing any
    /// more once the sink was held: then it was perhaps nobody's fault.
    fn is_proved(self, now: Past) -> bool {
        self.then.taken < now.taken && (self.is_alone || self.then.holds == now.holds)
    }
}

/// None when time is up.
async fn within<T>(until: Option<Instant>, future: impl Future<Output = T>) -> Option<T> {
    match until {
        Some(until) => timeout_at(until, future).await.ok(),
        None => Some(future.await),
    }
}
