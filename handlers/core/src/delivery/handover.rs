//! What a publisher leaves to the delivery function: whom it does not reach itself.

use std::{sync::Arc, time::Duration};

use contract::{
    functions::Function,
    grants::{Granted, SendMessage},
    ids::JobId,
    queues::{Audience, Content, DeliveryPointer, DeliveryQueue},
};
use tokio::time::Instant;

use super::Stores;

/// Shortest time between two progress updates for subscribers beyond those posted to directly.
const WIDE_INTERVAL: Duration = Duration::from_secs(2);
/// Pauses before each attempt to queue what must not be lost, in seconds.
pub(super) const PAUSES: [u64; 3] = [0, 1, 3];

/// The pointers of one job that its publisher puts on the queue, or is yet to.
#[derive(Debug)]
pub(super) struct Handover<F> {
    stores: Arc<Stores<F>>,
    job_id: JobId,
    /// A stage's end and what follows at once go out with one pointer, since two may overtake each
    /// other.
    lack: Option<Lack>,
    /// The queue did not take a pointer: nobody knows who lacks what after this.
    all_lack: Option<u64>,
    /// When the subscribers beyond were last told how far the job is.
    told_progress_at: Option<Instant>,
}

/// Published messages that the subscribers after a connection are yet to be sent.
#[derive(Debug)]
struct Lack {
    beyond: String,
    after_seq: u64,
    through_seq: u64,
}

impl<F: Function + Granted<SendMessage<DeliveryQueue>>> Handover<F> {
    pub(super) fn new(stores: Arc<Stores<F>>, job_id: JobId) -> Self {
        Self {
            stores,
            job_id,
            lack: None,
            all_lack: None,
            told_progress_at: None,
        }
    }

    /// Notes that `seq` was published, for those after the connection `beyond`. They are sent it with
    /// what else they lack by [`Self::send`].
    pub(super) async fn published(&mut self, beyond: &str, seq: u64) {
        // Who is beyond may be others than before: each message is for those who were by then.
        if self.lack.as_ref().is_some_and(|lack| lack.beyond != beyond) {
            self.send().await;
        }
        let lack = self.lack.get_or_insert_with(|| Lack {
            beyond: beyond.to_owned(),
            after_seq: seq.saturating_sub(1),
            through_seq: seq,
        });
        lack.through_seq = seq;
    }

    /// Has those beyond sent the published messages that they lack.
    pub(super) async fn send(&mut self) {
        if let Some(lack) = self.lack.take() {
            self.leave(DeliveryPointer {
                job_id: self.job_id.clone(),
                audience: Audience::SubscribersAfter(lack.beyond),
                content: Content::Published,
                after_seq: lack.after_seq,
                through_seq: Some(lack.through_seq),
            })
            .await;
        }
    }

    /// Has those after the connection `beyond` told how far the job is, unless they were lately.
    /// `seq` is the last durable message.
    pub(super) async fn progress(&mut self, beyond: &str, seq: u64) {
        let told_lately = self
            .told_progress_at
            .is_some_and(|told_at| told_at.elapsed() < WIDE_INTERVAL);
        if told_lately {
            return;
        }
        self.leave(DeliveryPointer {
            job_id: self.job_id.clone(),
            audience: Audience::SubscribersAfter(beyond.to_owned()),
            content: Content::Progress,
            after_seq: seq,
            through_seq: None,
        })
        .await;
        self.told_progress_at = Some(Instant::now());
    }

    /// Has everyone sent the published message `seq`: its publisher does not know who they are.
    pub(super) async fn published_to_unknown(&mut self, seq: u64) {
        self.send().await;
        self.leave(DeliveryPointer {
            job_id: self.job_id.clone(),
            audience: Audience::AllSubscribers,
            content: Content::Published,
            after_seq: seq.saturating_sub(1),
            through_seq: Some(seq),
        })
        .await;
    }

    /// Has these connections sent the log after `after_seq` and through `through_seq`.
    pub(super) async fn log(&mut self, connections: Vec<String>, after_seq: u64, through_seq: u64) {
        let audience = Audience::Connections(connections);
        let pointer = DeliveryPointer::log(self.job_id.clone(), audience, after_seq);
        self.leave(pointer.through(through_seq)).await;
    }

    /// Leaves what the queue did not take to it once more, a few times: it may be back.
    pub(super) async fn make_good(&mut self) {
        for pause in PAUSES {
            let Some(after_seq) = self.all_lack.take() else {
                return;
            };
            tokio::time::sleep(Duration::from_secs(pause)).await;
            let audience = Audience::AllSubscribers;
            self.leave(DeliveryPointer::log(
                self.job_id.clone(),
                audience,
                after_seq,
            ))
            .await;
        }
    }

    async fn leave(&mut self, pointer: DeliveryPointer) {
        if let Err(error) = self.stores.queues.send::<DeliveryQueue>(&pointer, 0).await {
            let DeliveryPointer {
                content, after_seq, ..
            } = pointer;
            tracing::error!(
                job_id = %self.job_id,
                ?content,
                after_seq,
                %error,
                "a delivery could not be queued; a durable message is tried again when the run or the \
                 post ends, and clients find it in the log when they resume",
            );
            if content != Content::Progress {
                let all_lack = self.all_lack.get_or_insert(after_seq);
                *all_lack = after_seq.min(*all_lack);
            }
        }
    }
}
