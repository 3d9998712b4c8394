//! Receivers that fail, hang, redirect and lie.

use stagecast_contract::webhooks::{WebhookEndpoint, WebhookRules};
use stagecast_testing::webhooks::{Receiver, Reply};

use super::{Site, message, set_secret};

#[tokio::test]
async fn receiver_that_fails_gets_the_webhook_again() {
    let replies = [Reply::status(500), Reply::status(404), Reply::Close];
    let count = replies.len();
    let site = Site::new(replies).await;
    let job = site.completed_job().await;
    for attempt in 1..=count {
        let attempt = u32::try_from(attempt).expect("a small number");
        assert!(site.attempt(&job, 2, attempt).await, "{attempt}");
    }
    assert!(!site.attempt(&job, 2, 4).await);
    let received = site.receiver.received();
    assert_eq!(received.len(), count + 1);
    assert!(
        received
            .iter()
            .all(|it| it.headers["webhook-id"] == received[0].headers["webhook-id"])
    );
    assert_eq!(site.hidden(), 3);
}

#[tokio::test]
async fn receiver_that_is_gone_gets_no_webhook_again() {
    let site = Site::new([Reply::status(410)]).await;
    let job = site.completed_job().await;
    assert!(!site.attempt(&job, 2, 1).await);
    assert_eq!(site.hidden(), 0);
}

#[tokio::test]
async fn redirect_is_not_followed() {
    let target = Receiver::replying([]).await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("location: {}\r\n", target.url());
        let site = Site::new([Reply::with_headers(status, &location)]).await;
        let job = site.completed_job().await;
        assert!(site.attempt(&job, 2, 1).await, "{status}");
        assert_eq!(site.receiver.received().len(), 1);
    }
    assert!(target.received().is_empty());
}

#[tokio::test]
async fn endless_body_is_cut_and_its_status_counts() {
    for (status, is_kept) in [(200, false), (500, true)] {
        let site = Site::new([Reply::Endless(status)]).await;
        let job = site.completed_job().await;
        assert_eq!(site.attempt(&job, 2, 1).await, is_kept, "{status}");
    }
}

#[tokio::test]
async fn response_that_is_not_http_is_a_failure() {
    let header = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(1 << 20));
    for bytes in [
        b"".to_vec(),
        b"SSH-2.0-OpenSSH_9.6\r\n".to_vec(),
        b"HTTP/1.1 2000 OK\r\n\r\n".to_vec(),
        header.into_bytes(),
    ] {
        let site = Site::new([Reply::Bytes(bytes)]).await;
        let job = site.completed_job().await;
        assert!(site.attempt(&job, 2, 1).await);
    }
}

#[tokio::test]
async fn slow_receiver_does_not_delay_the_others_of_its_batch() {
    let site = Site::new([Reply::Hang]).await;
    let job = site.completed_job().await;
    let batch = vec![message(&job, 2, 1), message(&job, 2, 1)];
    let handled = site.receive(batch);
    tokio::pin!(handled);
    // The first one hangs; the second is posted meanwhile.
    loop {
        tokio::select! {
            kept = &mut handled => panic!("the first one hangs: {kept:?}"),
            () = tokio::task::yield_now() => {}
        }
        if site.receiver.received().len() == 2 {
            break;
        }
    }
}

#[tokio::test]
async fn webhook_is_not_posted_to_this_machine_unless_the_local_stack_permits_it() {
    let receiver = Receiver::replying([]).await;
    let rules = WebhookRules {
        endpoint: Some(WebhookEndpoint::of_local_stack(&receiver.url()).expect("a URL")),
        ..WebhookRules::default()
    };
    let site = Site::with_rules(receiver, &rules);
    let job = site.completed_job().await;
    assert!(site.attempt(&job, 2, 1).await);
    assert!(site.receiver.received().is_empty());
}

#[tokio::test]
async fn webhook_without_a_valid_key_is_not_posted() {
    let site = Site::new([]).await;
    set_secret(&site.aws, "a password");
    let job = site.completed_job().await;
    assert!(site.attempt(&job, 2, 1).await);
    assert!(site.receiver.received().is_empty());
}

#[tokio::test]
async fn only_the_failed_webhooks_of_a_batch_stay_on_the_queue() {
    let site = Site::new([]).await;
    let job = site.completed_job().await;
    let mut invalid = message(&job, 9, 1);
    invalid.body = Some("nonsense".to_owned());
    let kept = site.receive(vec![message(&job, 2, 1), invalid]).await;
    assert_eq!(kept, ["9"]);
    assert_eq!(site.receiver.received().len(), 1);
}

/// The clock of the runtime advances by itself while everything waits, so this takes no time.
#[tokio::test(start_paused = true)]
async fn receiver_that_hangs_is_given_up_until_the_next_attempt() {
    let site = Site::new([Reply::Hang]).await;
    let job = site.completed_job().await;
    assert!(site.attempt(&job, 2, 1).await);
}
