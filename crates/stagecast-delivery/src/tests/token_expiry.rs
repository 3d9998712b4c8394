//! Tasks for subscribers whose token has expired.

use stagecast_contract::{
    queues::{DeliveryTask, Recipients},
    tables::Subscribers,
};
use stagecast_testing::{
    TestAws,
    fixtures::{claimed, job_as, json, subscribed, subscribed_by_token},
    owner_tokens::{project, token_of},
};

use super::Site;

#[tokio::test]
async fn expired_subscriber_gets_a_notice_instead_of_the_log_and_is_deleted() {
    let site = Site::on(TestAws::of(project()));
    let (aws, clock) = (&site.aws, &site.clock);
    let owned = |mut job: stagecast_core::models::Job| {
        job.owner = Some("user-7".to_owned());
        job
    };
    let job = job_as(aws, clock, 1, owned).await;
    let mut run = claimed(aws, clock, &job).await;
    for stage in ["a", "b"] {
        run.finish_stage(stage, None, json("1"))
            .await
            .expect("published");
    }
    let early = token_of(clock, "user-7", &["watch"]);
    subscribed_by_token(aws, clock, &job, "expired", &early).await;
    clock.advance(200);
    let late = token_of(clock, "user-7", &["watch"]);
    subscribed_by_token(aws, clock, &job, "valid", &late).await;
    subscribed(aws, clock, &job, "keyed").await;
    clock.advance(130);

    let task = DeliveryTask::log(job.id.clone(), Recipients::AllSubscribers, 0);
    assert!(site.deliver(&task).await);

    let notice = aws.take_messages("expired");
    assert_eq!(notice.len(), 1, "{notice:?}");
    assert_eq!(notice[0]["code"], "token_expired");
    assert_eq!(site.received("valid"), [1, 2]);
    assert_eq!(site.received("keyed"), [1, 2]);
    assert_eq!(aws.items::<Subscribers>().len(), 2);
    assert!(site.queued().is_empty());
}
