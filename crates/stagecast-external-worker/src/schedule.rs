//! When a worker claims: with free slots at once, after a wake-up, and by polling.

use std::time::Duration;

use stagecast_client::Backoff;

/// The interval of polls while the worker listens: they cover lost wake-ups.
const LISTENING_POLL: Duration = Duration::from_mins(5);
const LISTENING_SPREAD: f64 = 0.2;
/// The longest interval of polls without a WebSocket.
const LONGEST_POLL: Duration = Duration::from_secs(30);
/// Spreads polls, as a part of the interval.
const JITTER: f64 = 0.25;

/// The state of a worker's claims, without input and output. Times are durations since any fixed time.
#[derive(Debug)]
pub(crate) struct ClaimSchedule {
    slots: usize,
    running: usize,
    random: fastrand::Rng,
    listener: Option<String>,
    due: Duration,
    is_pending: bool,
    /// Something has happened since the pending claim was sent, so it may not have seen a job.
    is_woken: bool,
    empty_claims: u32,
    failures: u32,
}

impl ClaimSchedule {
    pub(crate) fn new(slots: usize, seed: u64, now: Duration) -> Self {
        Self {
            slots,
            running: 0,
            random: fastrand::Rng::with_seed(seed),
            listener: None,
            due: now,
            is_pending: false,
            is_woken: false,
            empty_claims: 0,
            failures: 0,
        }
    }

    /// When the next claim is due; none while one is pending or no slot is free.
    pub(crate) fn next_claim(&self) -> Option<Duration> {
        (!self.is_pending && self.running < self.slots).then_some(self.due)
    }

    /// A claim is sent. Returns the listener that it carries.
    pub(crate) fn sent(&mut self) -> Option<String> {
        self.is_pending = true;
        self.is_woken = false;
        self.listener.clone()
    }

    /// The claim returned a job.
    pub(crate) fn claimed(&mut self, now: Duration) {
        self.is_pending = false;
        self.running += 1;
        self.failures = 0;
        self.empty_claims = 0;
        self.due = now;
    }

    /// There was nothing to claim.
    pub(crate) fn empty(&mut self, now: Duration, retry_after: Duration) {
        self.is_pending = false;
        self.failures = 0;
        if self.is_woken {
            self.due = now;
            return;
        }
        self.empty_claims += 1;
        let wait = if self.listener.is_some() {
            let spread = LISTENING_SPREAD * (2.0 * self.random.f64() - 1.0);
            LISTENING_POLL.mul_f64(1.0 + spread)
        } else {
            let doubled = 2_u32.saturating_pow((self.empty_claims - 1).min(10));
            // The service's wait is not shortened.
            let interval = retry_after
                .saturating_mul(doubled)
                .min(LONGEST_POLL.max(retry_after));
            interval.mul_f64(1.0 + JITTER * self.random.f64())
        };
        self.due = now + wait;
    }

    /// The claim has failed, and may succeed later.
    pub(crate) fn failed(&mut self, now: Duration, retry_after: Option<Duration>) {
        self.is_pending = false;
        self.failures += 1;
        let backoff = Backoff::RECONNECT.wait(self.failures, self.random.f64());
        self.due = now + backoff.max(retry_after.unwrap_or_default());
    }

    /// A job has ended, so its slot is free.
    pub(crate) fn job_ended(&mut self, now: Duration) {
        self.running = self.running.saturating_sub(1);
        if !self.is_pending && self.failures == 0 {
            self.due = now;
        }
    }

    /// The queue has a job.
    pub(crate) fn job_available(&mut self, now: Duration) {
        self.is_woken = true;
        self.empty_claims = 0;
        if !self.is_pending && self.failures == 0 {
            self.due = now;
        }
    }

    /// The worker listens. The next empty claim arms the listener.
    pub(crate) fn listening(&mut self, now: Duration, listener: String) {
        self.listener = Some(listener);
        self.job_available(now);
    }

    /// The connection is lost: the worker polls.
    pub(crate) fn not_listening(&mut self, now: Duration, retry_after: Duration) {
        if self.listener.take().is_some() {
            let poll = now + retry_after.mul_f64(1.0 + JITTER * self.random.f64());
            self.due = self.due.min(poll);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn schedule(slots: usize) -> ClaimSchedule {
        ClaimSchedule::new(slots, 1, Duration::ZERO)
    }

    #[test]
    fn free_slots_are_filled_at_once_and_busy_workers_do_not_claim() {
        let mut schedule = schedule(2);
        assert_eq!(schedule.next_claim(), Some(Duration::ZERO));
        assert_eq!(schedule.sent(), None);
        assert_eq!(schedule.next_claim(), None, "one claim at a time");
        schedule.claimed(SECOND);
        assert_eq!(schedule.next_claim(), Some(SECOND));
        schedule.sent();
        schedule.claimed(SECOND);
        assert_eq!(schedule.next_claim(), None);
        schedule.job_available(2 * SECOND);
        assert_eq!(schedule.next_claim(), None);
        schedule.job_ended(3 * SECOND);
        assert!(schedule.next_claim() <= Some(3 * SECOND));
    }

    #[test]
    fn polls_without_a_listener_double_to_thirty_seconds() {
        let mut schedule = schedule(1);
        for seconds in [5, 10, 20, 30, 30] {
            schedule.sent();
            schedule.empty(Duration::ZERO, 5 * SECOND);
            let next = schedule.next_claim().unwrap();
            let interval = SECOND * seconds;
            assert!(
                next >= interval && next <= interval.mul_f64(1.25),
                "{next:?}"
            );
        }
        schedule.sent();
        schedule.claimed(SECOND);
        schedule.job_ended(2 * SECOND);
        schedule.sent();
        schedule.empty(2 * SECOND, 60 * SECOND);
        assert!(
            schedule.next_claim() >= Some(62 * SECOND),
            "the service's wait is kept"
        );
    }

    #[test]
    fn listener_is_sent_with_claims_and_polls_are_rare() {
        let mut schedule = schedule(1);
        schedule.sent();
        schedule.empty(Duration::ZERO, 5 * SECOND);
        schedule.listening(SECOND, "l".to_owned());
        assert_eq!(schedule.next_claim(), Some(SECOND));
        assert_eq!(schedule.sent().as_deref(), Some("l"));
        schedule.empty(SECOND, 5 * SECOND);
        let next = schedule.next_claim().unwrap();
        assert!(next >= 241 * SECOND && next <= 361 * SECOND, "{next:?}");
        schedule.job_available(9 * SECOND);
        assert_eq!(schedule.next_claim(), Some(9 * SECOND));
        schedule.sent();
        schedule.empty(9 * SECOND, 5 * SECOND);
        schedule.not_listening(20 * SECOND, 5 * SECOND);
        let next = schedule.next_claim().unwrap();
        assert!(next >= 25 * SECOND && next <= 27 * SECOND, "{next:?}");
        assert_eq!(schedule.sent(), None);
    }

    #[test]
    fn wake_up_during_a_claim_leads_to_another_one() {
        let mut schedule = schedule(1);
        schedule.sent();
        schedule.job_available(SECOND);
        schedule.empty(2 * SECOND, 5 * SECOND);
        assert_eq!(schedule.next_claim(), Some(2 * SECOND));
        // Also one that was sent before the worker listened, which does not arm it.
        schedule.sent();
        schedule.listening(3 * SECOND, "l".to_owned());
        schedule.empty(3 * SECOND, 5 * SECOND);
        assert_eq!(schedule.next_claim(), Some(3 * SECOND));
    }

    #[test]
    fn failed_claims_back_off_also_when_woken() {
        let mut schedule = schedule(2);
        for failures in 1..8 {
            schedule.sent();
            schedule.failed(Duration::ZERO, None);
            assert!(schedule.next_claim() <= Some(Backoff::RECONNECT.wait(failures, 1.0)));
        }
        schedule.sent();
        schedule.failed(Duration::ZERO, Some(90 * SECOND));
        schedule.job_available(SECOND);
        schedule.job_ended(SECOND);
        assert_eq!(schedule.next_claim(), Some(90 * SECOND));
    }
}
