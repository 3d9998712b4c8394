//! Jobs that no run and no worker holds any more: committing what they left in their log, ending
//! them, notifying their subscribers. The write is conditional on the lease having ended, so a worker
//! that comes back and a new claim are never overruled. The failure of a job whose worker is lost is
//! written under a claim that is not a worker's: what was logged and not committed cannot be taken for
//! an event of the worker's own claim, and later claims discard it.

use contract::{
    functions::Function,
    grants::{GetItem, Granted, PutItem, Query, SendMessage, UpdateItem},
    messages::JobError,
    queues::{DeliveryKind, DeliveryQueue, DeliveryTask, Recipients},
    tables::{JobEvents, Jobs},
};

use crate::{
    aws::{Queues, SendError},
    clock::Clock,
    delivery::{MessageHeader, redelivery, terminal_message},
    models::{Event, Job, SentRange, TerminalState},
    stores::{Appended, Commit, EventStore, JobStore, StoreError},
    watchdog,
};

/// The grants that settling an unattended job takes.
pub trait Settles:
    Function
    + Granted<GetItem<Jobs>>
    + Granted<UpdateItem<Jobs>>
    + Granted<PutItem<JobEvents>>
    + Granted<Query<JobEvents>>
    + Granted<SendMessage<DeliveryQueue>>
{
}

impl<F> Settles for F where
    F: Function
        + Granted<GetItem<Jobs>>
        + Granted<UpdateItem<Jobs>>
        + Granted<PutItem<JobEvents>>
        + Granted<Query<JobEvents>>
        + Granted<SendMessage<DeliveryQueue>>
{
}

/// What came of settling a job.
#[derive(Clone, Debug, PartialEq)]
pub enum Settled {
    /// The job has ended, as this says.
    Ended(Box<Job>),
    /// The job is still unattended. What was in its log is committed.
    Open(Box<Job>),
    /// A run or a worker has the job again, or it has gone.
    Attended,
}

/// What came of committing one event.
enum Next {
    /// The job as it is with the event.
    Committed(Box<Job>),
    /// There is nothing to commit.
    Nothing,
    /// A run or a worker has the job again.
    Attended,
}

/// A job could not be settled.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// A table did not answer as it should.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The job's subscribers could not be notified.
    #[error(transparent)]
    Send(#[from] SendError),
}

/// Settles unattended jobs.
#[derive(Debug)]
pub struct Unattended<F> {
    jobs: JobStore<F>,
    events: EventStore<F>,
    queues: Queues<F>,
    clock: Clock,
}

impl<F: Settles> Unattended<F> {
    /// Settles jobs in these stores.
    pub fn new(jobs: JobStore<F>, events: EventStore<F>, queues: Queues<F>, clock: Clock) -> Self {
        Self {
            jobs,
            events,
            queues,
            clock,
        }
    }

    /// Commits what a dead run or worker has written to the log of `job` but has not committed, and
    /// then ends the job if `ending` is given. A terminal event that is in the log already is how
    /// the job ends, whatever `ending` is. The delivery function notifies the subscribers.
    pub async fn settle(
        &self,
        job: &Job,
        terminal_state: Option<&TerminalState>,
    ) -> Result<Settled, SettleError> {
        let before = job.seq;
        let (job, outcome) = self.commit_all(job.clone(), terminal_state).await;
        // Also when a later event could not be committed: the next look starts after this one.
        if job.seq > before {
            self.notify(&job, before).await?;
        }
        let is_attended = outcome?;
        Ok(match is_attended {
            _ if job.status.has_ended() => Settled::Ended(Box::new(job)),
            true => Settled::Attended,
            false => Settled::Open(Box::new(job)),
        })
    }

    /// Fails a job whose external worker was silent for too long, under a claim of its own. What the
    /// worker has left in the log is committed first; if that ends the job, it is how the job ends.
    pub async fn give_up(&self, job: &Job, error: JobError) -> Result<Settled, SettleError> {
        // Before the claim is written, as for each claim: it is not without a watchdog, whatever dies
        // meanwhile.
        let first = watchdog::FIRST_LOOK_SECONDS;
        watchdog::schedule(&self.queues, &job.job_id, Some(job.epoch + 1), first).await?;
        match self.jobs.take_unattended(job).await? {
            Some(taken) => {
                self.settle(&taken, Some(&TerminalState::Failed(error)))
                    .await
            }
            None => Ok(Settled::Attended),
        }
    }

    /// Commits what [`Self::settle`] says. Answers with the job after the last commit, and with
    /// whether a run or a worker has it again.
    async fn commit_all(
        &self,
        mut job: Job,
        terminal_state: Option<&TerminalState>,
    ) -> (Job, Result<bool, StoreError>) {
        while !job.status.has_ended() {
            if !job.is_unattended(self.clock.now()) {
                return (job, Ok(true));
            }
            match self.commit_next(&job, terminal_state).await {
                Ok(Next::Committed(committed)) => job = *committed,
                Ok(Next::Nothing) => break,
                Ok(Next::Attended) => return (job, Ok(true)),
                Err(error) => return (job, Err(error)),
            }
        }
        (job, Ok(false))
    }

    async fn commit_next(
        &self,
        job: &Job,
        terminal_state: Option<&TerminalState>,
    ) -> Result<Next, StoreError> {
        let Some(message) = self.next_message(job, terminal_state).await? else {
            return Ok(Next::Nothing);
        };
        let committed = self.write(job, message).await?;
        Ok(committed.map_or(Next::Attended, |job| Next::Committed(Box::new(job))))
    }

    /// What is to be committed next: what the log has after the job's `seq`, or else the ending.
    async fn next_message(
        &self,
        job: &Job,
        terminal_state: Option<&TerminalState>,
    ) -> Result<Option<String>, StoreError> {
        let seq = job.seq + 1;
        // A cancellation is written under the worker's own claim: the write meets what it has left.
        if terminal_state != Some(&TerminalState::Cancelled) {
            let left = self.events.at(&job.job_id, seq).await?;
            if let Some(event) = left.filter(|event| !event.is_outdated_for(job.epoch)) {
                return Ok(Some(event.message));
            }
        }
        let Some(terminal_state) = terminal_state else {
            return Ok(None);
        };
        let about = MessageHeader {
            job_id: job.job_id.clone(),
            seq,
            correlation_id: job.correlation_id.clone(),
            timestamp: self.clock.now(),
        };
        // The stage of a job that waits has not begun.
        let stage = job
            .stage
            .as_deref()
            .filter(|stage| !job.checkpoints.contains_key(*stage));
        Ok(Some(
            terminal_message(terminal_state, about, stage, None).to_json(),
        ))
    }

    /// Writes a message to the log after the job's `seq` and commits it. An event that the same
    /// claim has written there stays, and is committed instead. None when the job has a new claim,
    /// or its worker is back.
    async fn write(&self, job: &Job, message: String) -> Result<Option<Job>, StoreError> {
        let event = Event {
            job_id: job.job_id.clone(),
            seq: job.seq + 1,
            epoch: job.epoch,
            message,
            expires_at: job.expires_at,
        };
        let message = match self.events.append(&event).await? {
            Appended::Written => event.message,
            Appended::Earlier(earlier) => earlier.message,
            Appended::Later => return Ok(None),
        };
        let commit = Commit::of_logged(&message)?;
        self.jobs.commit_unattended(job, &commit, event.seq).await
    }

    /// Has the delivery function send everyone who is subscribed to the job what they may lack of
    /// its log: it is not known what a settlement before this one, which may have been cut short,
    /// has had sent. What was sent again already is not sent once more.
    pub async fn redeliver(&self, job: &Job) -> Result<(), SendError> {
        redelivery::redeliver(&self.jobs, &self.queues, job, 0).await
    }

    /// Has the delivery function send the durable messages after `after_seq`, through the `seq` of
    /// `job`, to everyone who is subscribed to the job, and notes it.
    async fn notify(&self, job: &Job, after_seq: u64) -> Result<(), SendError> {
        let pointer = DeliveryTask {
            job_id: job.job_id.clone(),
            audience: Recipients::AllSubscribers,
            content: DeliveryKind::Published,
            after_seq,
            through_seq: Some(job.seq),
            renewed: false,
        };
        self.queues.send::<DeliveryQueue>(&pointer, 0).await?;
        let sent = SentRange::extended(job.redelivered, after_seq, job.seq);
        redelivery::note(&self.jobs, &job.job_id, sent).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use contract::{
        functions::DeliveryFunction,
        ids::{AccessKey, JobId, RequestId, WorkerKey},
        messages::JobStatus,
        timestamp::Timestamp,
    };

    use super::*;
    use crate::aws::{
        Database, Environment,
        fake::{Answer, Call, Calls, fake},
    };

    const NOW: Timestamp = Timestamp::from_epoch_seconds(1_800_000_000);

    /// A job whose worker has claimed it and has let its lease end.
    fn job() -> Job {
        let mut job = Job::queued(
            JobId::new(NOW, [1; 8]),
            &AccessKey::new([3; 16]),
            RequestId::new(NOW, [2; 8]),
            "req_1_a".to_owned(),
            "text/plain".to_owned(),
            NOW,
        )
        .for_external_worker(&WorkerKey::new([4; 16]));
        (job.status, job.epoch) = (JobStatus::Running, 1);
        job.lease_expires_at = NOW.epoch_seconds() - 1;
        job
    }

    /// The job with this `seq`, claim and status.
    fn later(seq: u64, epoch: u64, status: JobStatus) -> Job {
        Job {
            status,
            seq,
            epoch,
            ..job()
        }
    }

    fn event(seq: u64, epoch: u64, rest: &str) -> Event {
        let job_id = job().job_id;
        let common = format!(
            r#""job_id":"{job_id}","timestamp":"2024-01-15T10:30:15Z","seq":{seq},"correlation_id":"c""#
        );
        Event {
            job_id,
            seq,
            epoch,
            message: format!("{{{common},{rest}}}"),
            expires_at: i64::MAX,
        }
    }

    const STAGE: &str = r#""type":"stage_complete","stage":"a","results":1"#;
    const LOST: &str = r#""type":"job_failed","error":{"code":"worker_lost","message":"m"}"#;

    fn error() -> JobError {
        JobError {
            code: contract::messages::FailureCode::WorkerLost
                .name()
                .to_owned(),
            message: "m".to_owned(),
        }
    }

    fn logged(events: &[Event]) -> Answer {
        let items = events.iter().map(|event| event.to_dynamodb_item().unwrap());
        Answer::items(&items.collect::<Vec<_>>())
    }

    fn updated(job: &Job) -> Answer {
        Answer::updated(&job.to_dynamodb_item().unwrap())
    }

    fn stored(job: &Job) -> Answer {
        Answer::item(&job.to_dynamodb_item().unwrap())
    }

    fn unattended(
        answer: impl Fn(&Call) -> Answer + Send + Sync + 'static,
    ) -> (Unattended<DeliveryFunction>, Calls) {
        let (config, calls) = fake(answer);
        let environment = Environment::read(|name| Some(name.to_owned())).unwrap();
        let database = Database::new(&config, &environment);
        let clock = Clock::standing_at(NOW);
        let jobs = JobStore::new(database.clone(), clock.clone());
        let queues = Queues::new(&config, &environment);
        let unattended = Unattended::new(jobs, EventStore::new(database), queues, clock);
        (unattended, calls)
    }

    /// The place that a query of the log is for.
    fn place(call: &Call) -> &str {
        let last = &call.input["ExpressionAttributeValues"][":last"]["N"];
        last.as_str().unwrap_or_default()
    }

    #[tokio::test]
    async fn settle_notifies_subscribers_of_a_commit_before_a_read_that_fails() {
        let (unattended, calls) = unattended(|call| match &*call.operation {
            "Query" if place(call) == "1" => logged(&[event(1, 1, STAGE)]),
            "Query" => Answer::Outage,
            "PutItem" => Answer::ConditionFailed,
            "UpdateItem" => updated(&later(1, 1, JobStatus::Running)),
            _ => Answer::nothing(),
        });
        let settled = unattended.settle(&job(), None).await;
        assert!(matches!(settled, Err(SettleError::Store(_))), "{settled:?}");
        let calls = calls.all();
        let sent: Vec<_> = calls
            .iter()
            .filter(|call| call.operation == "SendMessage")
            .map(Call::message)
            .collect();
        assert_eq!(sent.len(), 1, "{sent:?}");
        assert_eq!(sent[0]["content"], "published");
        assert_eq!(
            (&sent[0]["after_seq"], &sent[0]["through_seq"]),
            (&0.into(), &1.into())
        );
        assert!(
            calls
                .iter()
                .any(|call| call.update().contains("redelivered"))
        );
    }

    #[tokio::test]
    async fn settle_ends_a_job_over_the_loss_of_an_earlier_worker() {
        let (unattended, calls) = unattended(|call| match &*call.operation {
            "Query" => logged(&[event(1, 2, LOST)]),
            "UpdateItem" => updated(&later(1, 3, JobStatus::Cancelled)),
            _ => Answer::nothing(),
        });
        let job = later(0, 3, JobStatus::Running);
        let open = unattended.settle(&job, None).await.unwrap();
        assert_eq!(open, Settled::Open(Box::new(job.clone())));
        assert_eq!(calls.operations(), ["Query"]);
        let ended = unattended
            .settle(&job, Some(&TerminalState::Cancelled))
            .await;
        assert!(matches!(ended, Ok(Settled::Ended(_))), "{ended:?}");
        let calls = calls.all();
        let written = calls.iter().find(|call| call.operation == "PutItem");
        let message = &written.unwrap().input["Item"]["message"]["S"];
        assert!(
            message.as_str().unwrap().contains("job_cancelled"),
            "{message}"
        );
    }

    #[tokio::test]
    async fn give_up_schedules_a_watchdog_then_claims_then_writes_under_its_claim() {
        let (unattended, calls) = unattended(|call| match &*call.operation {
            "Query" => logged(&[]),
            "UpdateItem" if call.update() == "SET epoch = :next" => {
                updated(&later(0, 2, JobStatus::Running))
            }
            "UpdateItem" => updated(&later(1, 2, JobStatus::Failed)),
            _ => Answer::nothing(),
        });
        let settled = unattended.give_up(&job(), error()).await.unwrap();
        assert!(matches!(settled, Settled::Ended(_)), "{settled:?}");
        let calls = calls.all();
        let operations: Vec<_> = calls.iter().map(|call| &*call.operation).collect();
        let first = [
            "SendMessage",
            "UpdateItem",
            "Query",
            "PutItem",
            "UpdateItem",
        ];
        assert_eq!(operations[..5], first);
        assert_eq!(calls[0].message()["content"]["watchdog"]["epoch"], 2);
        assert_eq!(calls[3].input["Item"]["epoch"]["N"], "2");
        let commit = &calls[4].input["ExpressionAttributeValues"];
        assert_eq!(commit[":epoch"]["N"], "2");
    }

    #[tokio::test]
    async fn give_up_commits_what_the_worker_left_before_it_ends_the_job() {
        let (unattended, calls) = unattended(|call| match &*call.operation {
            "Query" if place(call) == "1" => logged(&[event(1, 1, STAGE)]),
            "Query" => logged(&[]),
            "UpdateItem" if call.update() == "SET epoch = :next" => {
                updated(&later(0, 2, JobStatus::Running))
            }
            "UpdateItem" if call.update().contains("checkpoints") => {
                updated(&later(1, 2, JobStatus::Running))
            }
            "UpdateItem" => updated(&later(2, 2, JobStatus::Failed)),
            _ => Answer::nothing(),
        });
        unattended.give_up(&job(), error()).await.unwrap();
        let calls = calls.all();
        let written = calls.iter().filter(|call| call.operation == "PutItem");
        let messages: Vec<_> = written
            .map(|call| call.input["Item"]["message"]["S"].as_str().unwrap())
            .collect();
        assert_eq!(messages.len(), 2, "{messages:?}");
        assert!(messages[0].contains("stage_complete") && messages[1].contains("worker_lost"));
    }

    /// What comes of giving up a job whose claim was refused, and which is now as it says.
    async fn gives_up(now: Job) -> (Settled, Calls) {
        let (unattended, calls) = unattended(move |call| match &*call.operation {
            "UpdateItem" if call.update() == "SET epoch = :next" => Answer::ConditionFailed,
            "GetItem" => stored(&now),
            "Query" => logged(&[]),
            "UpdateItem" => updated(&later(1, 2, JobStatus::Failed)),
            _ => Answer::nothing(),
        });
        let settled = unattended.give_up(&job(), error()).await.unwrap();
        (settled, calls)
    }

    #[tokio::test]
    async fn give_up_goes_on_when_the_answer_to_its_claim_was_lost() {
        let (settled, _) = gives_up(later(0, 2, JobStatus::Running)).await;
        assert!(matches!(settled, Settled::Ended(_)), "{settled:?}");
    }

    #[tokio::test]
    async fn give_up_writes_nothing_when_a_worker_has_the_job() {
        let mut claimed = later(0, 2, JobStatus::Running);
        claimed.lease_expires_at = NOW.epoch_seconds() + 30;
        let mut renewed = claimed.clone();
        renewed.epoch = 1;
        let committed = later(1, 1, JobStatus::Running);
        for now in [claimed, renewed, committed] {
            let (settled, calls) = gives_up(now).await;
            assert_eq!(settled, Settled::Attended);
            assert!(!calls.operations().contains(&"PutItem".to_owned()));
        }
    }
}
