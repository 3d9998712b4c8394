//! Claims and leases: competing claims, lost responses and conflicts.

use local_aws::{Fault, Times};
use stagecast_contract::{
    functions::WorkerFunction, ids::WorkerKey, limits::LEASE_SECONDS, messages::JobStatus,
};
use stagecast_core::{
    models::TerminalState,
    stores::{Claim, ExternalClaim, JobStore, Lease},
};
use stagecast_testing::product::PipelineFunction;
use stagecast_testing::{
    TestAws,
    fixtures::{self, external_job, job, stores},
};

fn acquired(claim: Claim) -> (Lease, bool) {
    match claim {
        Claim::Acquired {
            lease, takeover, ..
        } => (lease, takeover),
        other => panic!("not acquired: {other:?}"),
    }
}

fn jobs(aws: &TestAws, clock: &stagecast_core::clock::Clock) -> JobStore<PipelineFunction> {
    stores::<PipelineFunction>(aws, clock).jobs.clone()
}

#[tokio::test]
async fn queued_job_is_acquired_by_one_of_two_claims() {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let job = job(&aws, &clock, 1).await;
    let jobs = jobs(&aws, &clock);

    let (first, second) = tokio::join!(jobs.claim(&job.id), jobs.claim(&job.id));

    let claims = [first.unwrap(), second.unwrap()];
    let acquired = claims
        .iter()
        .filter(|claim| matches!(claim, Claim::Acquired { .. }));
    assert_eq!(acquired.count(), 1, "{claims:?}");
}

#[tokio::test]
async fn held_job_can_be_taken_over_when_its_lease_has_ended() {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let job = job(&aws, &clock, 1).await;
    let jobs = jobs(&aws, &clock);
    let (first, _) = acquired(jobs.claim(&job.id).await.unwrap());

    clock.advance(LEASE_SECONDS);
    let during = jobs.claim(&job.id).await.unwrap();
    clock.advance(1);
    let (second, takeover) = acquired(jobs.claim(&job.id).await.unwrap());

    assert!(matches!(during, Claim::Held { .. }), "{during:?}");
    assert_eq!(second.epoch, first.epoch + 1);
    assert!(takeover);
}

#[tokio::test]
async fn lease_of_an_earlier_claim_cannot_release_the_job() {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let job = job(&aws, &clock, 1).await;
    let jobs = jobs(&aws, &clock);
    let (first, _) = acquired(jobs.claim(&job.id).await.unwrap());
    clock.advance(LEASE_SECONDS + 1);
    acquired(jobs.claim(&job.id).await.unwrap());

    assert!(jobs.release(&first).await.unwrap().is_none());
}

#[tokio::test]
async fn release_succeeds_when_the_response_is_lost() {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let job = job(&aws, &clock, 1).await;
    let jobs = jobs(&aws, &clock);
    let (lease, _) = acquired(jobs.claim(&job.id).await.unwrap());
    let once = Times::new(1);
    aws.faults().on_call(move |call| {
        let is_write = call.operation == "dynamodb:UpdateItem";
        (is_write && once.take()).then_some(Fault::LostResponse)
    });

    // The SDK repeats the update on AWS; here the caller does.
    assert!(jobs.release(&lease).await.is_err());
    let released = jobs.release(&lease).await.unwrap();

    assert_eq!(released.unwrap().status, JobStatus::Queued);
}

#[tokio::test]
async fn refunded_attempt_does_not_count_against_the_job() {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let job = job(&aws, &clock, 1).await;
    let jobs = jobs(&aws, &clock);
    let (lease, _) = acquired(jobs.claim(&job.id).await.unwrap());

    jobs.refund_attempt(&lease, 1).await;
    jobs.refund_attempt(&lease, 1).await;

    let job = jobs.load(&job.id).await.unwrap().unwrap();
    assert_eq!(job.attempts_without_progress, 0);
}

#[tokio::test]
async fn worker_reclaims_its_own_job_at_once_and_another_does_not() {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let job = external_job(&aws, &clock, 1).await;
    let jobs = stores::<WorkerFunction>(&aws, &clock).jobs.clone();
    let stages = ["a".to_owned()];
    let claim = async |worker_id| {
        let known = jobs.load(&job.id).await.unwrap().unwrap();
        let external = ExternalClaim {
            stages: &stages,
            worker_id: Some(worker_id),
            new_key: None,
        };
        jobs.claim_for(&known, external).await.unwrap()
    };

    let (first, _) = acquired(claim("one").await);
    let other = claim("two").await;
    let (again, _) = acquired(claim("one").await);

    assert_eq!(first.epoch, 1);
    assert!(matches!(other, Claim::Held { .. }), "{other:?}");
    assert_eq!(again.epoch, 2);
}

#[tokio::test]
async fn claim_from_a_queue_whose_answer_was_lost_is_recognized_by_its_key() {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let job = fixtures::waiting_job(&aws, &clock, 1, |job| job).await;
    let jobs = stores::<WorkerFunction>(&aws, &clock).jobs.clone();
    let known = jobs.load(&job.id).await.unwrap().unwrap();
    let (key, other) = (WorkerKey::new([7; 16]), WorkerKey::new([8; 16]));
    let claim = async |key| {
        let external = ExternalClaim {
            stages: &[],
            worker_id: Some("one"),
            new_key: Some(key),
        };
        jobs.claim_for(&known, external).await.unwrap()
    };

    let (first, _) = acquired(claim(&key).await);
    // The SDK repeats the request with what was read before.
    let (again, _) = acquired(claim(&key).await);
    let of_another = claim(&other).await;

    assert_eq!((first.epoch, again.epoch), (1, 1));
    assert!(matches!(of_another, Claim::Outdated(_)), "{of_another:?}");
}

#[tokio::test]
async fn claim_that_meets_a_newer_one_is_outdated() {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let job = external_job(&aws, &clock, 1).await;
    let jobs = stores::<WorkerFunction>(&aws, &clock).jobs.clone();
    let stages = ["a".to_owned()];
    let external = ExternalClaim {
        stages: &stages,
        worker_id: Some("one"),
        new_key: None,
    };
    let known = jobs.load(&job.id).await.unwrap().unwrap();
    acquired(jobs.claim_for(&known, external).await.unwrap());

    let outdated = jobs.claim_for(&known, external).await.unwrap();

    assert!(matches!(outdated, Claim::Outdated(_)), "{outdated:?}");
}

#[tokio::test]
async fn external_claim_of_an_ended_job_is_refused_whatever_was_read() {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let job = external_job(&aws, &clock, 1).await;
    let jobs = stores::<WorkerFunction>(&aws, &clock).jobs.clone();
    let external = ExternalClaim {
        stages: &[],
        worker_id: Some("one"),
        new_key: None,
    };
    let known = jobs.load(&job.id).await.unwrap().unwrap();
    let (lease, _) = acquired(jobs.claim_for(&known, external).await.unwrap());
    jobs.end(&lease, &TerminalState::Cancelled, 1, None)
        .await
        .unwrap();

    let refused = jobs.claim_for(&known, external).await.unwrap();

    assert!(matches!(refused, Claim::Ended), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn claim_succeeds_after_transaction_conflicts() {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let job = job(&aws, &clock, 1).await;
    let jobs = jobs(&aws, &clock);
    let conflicts = Times::new(3);
    aws.faults()
        .on_call(move |_| conflicts.take().then_some(Fault::Conflict));

    acquired(jobs.claim(&job.id).await.unwrap());
}
