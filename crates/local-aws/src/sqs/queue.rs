//! A standard queue: delays, visibility timeouts, receive counts, dead letters.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::{Arc, OnceLock},
    time::Duration,
};

use serde_json::Value;
use tokio::{sync::Notify, time::Instant};

use super::{message::Message, persistence::MessageFolder};
use crate::{clock::Timestamp, ids, sync::Mutex, template::QueueResource};

/// A received message, with its receipt handle.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) message: Message,
    pub(crate) receipt: String,
}

/// How many messages a queue holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueDepth {
    /// Messages that can be received.
    pub visible: usize,
    /// Received messages whose visibility timeout has not expired.
    pub in_flight: usize,
    /// Messages whose delay has not expired.
    pub delayed: usize,
}

/// The receipt handle does not belong to a message in flight.
#[derive(Debug)]
pub(crate) struct UnknownReceipt;

/// A standard queue.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) resource: QueueResource,
    dead_letters: OnceLock<(Arc<Queue>, u32)>,
    state: Mutex<State>,
    changed: Notify,
    /// Where messages are persisted; `None` without a data folder.
    folder: Option<MessageFolder>,
}

/// The order of messages: by the time of becoming visible, then by a serial number.
type Position = (Instant, u64);

#[derive(Debug, Default)]
struct State {
    messages: BTreeMap<Position, (Message, Option<String>)>,
    /// The position of each received message by its last receipt handle.
    receipts: HashMap<String, Position>,
    next: u64,
}

impl Queue {
    pub(super) fn new(resource: QueueResource, folder: Option<MessageFolder>) -> Self {
        Self {
            resource,
            dead_letters: OnceLock::new(),
            state: Mutex::default(),
            changed: Notify::new(),
            folder,
        }
    }

    /// A queue with the messages of an earlier run, all of them visible at once.
    pub(super) fn restore(resource: QueueResource, folder: MessageFolder) -> io::Result<Self> {
        let messages = folder.messages()?;
        let queue = Self::new(resource, Some(folder));
        for message in messages {
            queue.state.lock().insert(Instant::now(), message, None);
        }
        Ok(queue)
    }

    pub(super) fn redrive_to(&self, queue: Arc<Self>, receives: u32) {
        // Set once, when the queues are created.
        let _ = self.dead_letters.set((queue, receives));
    }

    /// Sends a message, with the queue's delay unless `delay` is set.
    pub(crate) fn send(&self, body: String, attributes: Value, delay: Option<Duration>) -> Message {
        let message = Message {
            id: ids::uuid(),
            body,
            attributes,
            sent: Timestamp::now().epoch_milliseconds(),
            first_received: None,
            receives: self.resource.earlier_receives,
        };
        let delay = delay.unwrap_or(self.resource.delay);
        self.put(message.clone(), delay);
        message
    }

    fn put(&self, message: Message, delay: Duration) {
        self.persist(&message);
        self.state
            .lock()
            .insert(Instant::now() + delay, message, None);
        self.changed.notify_waiters();
    }

    /// Receives up to `limit` visible messages and hides them for `visibility`. Waits up to `wait` for
    /// the first one.
    pub(crate) async fn receive(
        &self,
        limit: usize,
        visibility: Option<Duration>,
        wait: Duration,
    ) -> Vec<Received> {
        let visibility = visibility.unwrap_or(self.resource.visibility_timeout);
        let deadline = Instant::now() + wait;
        loop {
            // Register for notifications first, so that a message sent after `take` is not missed.
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let received = self.take(limit, visibility);
            let now = Instant::now();
            if !received.is_empty() || now >= deadline {
                return received;
            }
            let next = self
                .state
                .lock()
                .messages
                .keys()
                .next()
                .map(|(visible, _)| *visible);
            let wake = next.map_or(deadline, |next| next.min(deadline));
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(wake) => {}
            }
        }
    }

    fn take(&self, limit: usize, visibility: Duration) -> Vec<Received> {
        let now = Instant::now();
        let now_milliseconds = Timestamp::now().epoch_milliseconds();
        let retention = i64::try_from(self.resource.retention.as_millis()).unwrap_or(i64::MAX);
        let mut dead = Vec::new();
        let mut received = Vec::new();
        let mut state = self.state.lock();
        while received.len() < limit {
            let Some((&position, _)) = state.messages.range(..=(now, u64::MAX)).next() else {
                break;
            };
            let Some((mut message, receipt)) = state.messages.remove(&position) else {
                break;
            };
            if let Some(receipt) = receipt {
                state.receipts.remove(&receipt);
            }
            if message.sent.saturating_add(retention) < now_milliseconds {
                self.delete_file(&message);
                continue;
            }
            if let Some((queue, receives)) = self.dead_letters.get()
                && message.receives >= *receives
            {
                dead.push((Arc::clone(queue), message));
                continue;
            }
            message.receives += 1;
            message.first_received.get_or_insert(now_milliseconds);
            self.persist(&message);
            let receipt = ids::token();
            state.insert(now + visibility, message.clone(), Some(receipt.clone()));
            received.push(Received { message, receipt });
        }
        drop(state);
        for (queue, message) in dead {
            queue.put(message.clone(), Duration::ZERO);
            self.delete_file(&message);
        }
        received
    }

    /// Deletes a received message. Like SQS, ignores unknown receipt handles.
    pub(crate) fn delete(&self, receipt: &str) {
        let mut state = self.state.lock();
        if let Some(position) = state.receipts.remove(receipt)
            && let Some((message, _)) = state.messages.remove(&position)
        {
            self.delete_file(&message);
        }
    }

    /// Sets the remaining visibility timeout of a received message.
    pub(crate) fn change_visibility(
        &self,
        receipt: &str,
        time: Duration,
    ) -> Result<(), UnknownReceipt> {
        let mut state = self.state.lock();
        let position = state.receipts.remove(receipt).ok_or(UnknownReceipt)?;
        let (message, _) = state.messages.remove(&position).ok_or(UnknownReceipt)?;
        state.insert(Instant::now() + time, message, Some(receipt.to_owned()));
        drop(state);
        self.changed.notify_waiters();
        Ok(())
    }

    pub(crate) fn purge(&self) {
        let purged = std::mem::take(&mut *self.state.lock());
        for (message, _) in purged.messages.values() {
            self.delete_file(message);
        }
    }

    pub(crate) fn depth(&self) -> QueueDepth {
        let now = Instant::now();
        let mut depth = QueueDepth::default();
        for ((visible, _), (message, _)) in &self.state.lock().messages {
            if *visible <= now {
                depth.visible += 1;
            } else if message.receives > 0 {
                depth.in_flight += 1;
            } else {
                depth.delayed += 1;
            }
        }
        depth
    }

    /// Every message, oldest first.
    pub(crate) fn messages(&self) -> Vec<Message> {
        let state = self.state.lock();
        let mut messages = state.messages.iter().collect::<Vec<_>>();
        messages.sort_by_key(|((_, number), _)| *number);
        messages
            .into_iter()
            .map(|(_, (message, _))| message.clone())
            .collect()
    }

    fn persist(&self, message: &Message) {
        if let Some(folder) = &self.folder {
            folder.write(message);
        }
    }

    fn delete_file(&self, message: &Message) {
        if let Some(folder) = &self.folder {
            folder.remove(message);
        }
    }
}

impl State {
    fn insert(&mut self, visible: Instant, message: Message, receipt: Option<String>) {
        let position = (visible, self.next);
        self.next += 1;
        if let Some(receipt) = &receipt {
            self.receipts.insert(receipt.clone(), position);
        }
        self.messages.insert(position, (message, receipt));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(name: &str) -> QueueResource {
        QueueResource {
            name: name.to_owned(),
            arn: format!("arn:aws:sqs:us-east-1:000000000000:{name}"),
            url: format!("http://127.0.0.1/000000000000/{name}"),
            visibility_timeout: Duration::from_secs(30),
            delay: Duration::ZERO,
            retention: Duration::from_hours(96),
            earlier_receives: 0,
            redrive: None,
        }
    }

    fn queue(name: &str) -> Queue {
        Queue::new(resource(name), None)
    }

    /// A queue restored from a folder, as by the next run.
    fn restored(folder: &tempfile::TempDir, name: &str) -> Queue {
        let folder = MessageFolder::open(folder.path().join(name)).expect("the folder");
        Queue::restore(resource(name), folder).expect("its messages")
    }

    async fn receive(queue: &Queue) -> Vec<Received> {
        queue.receive(10, None, Duration::ZERO).await
    }

    #[tokio::test(start_paused = true)]
    async fn received_message_is_hidden_until_its_visibility_timeout() {
        let queue = queue("orders");
        queue.send("work".to_owned(), Value::Null, None);
        assert_eq!(receive(&queue).await.len(), 1);
        assert!(receive(&queue).await.is_empty());
        tokio::time::advance(Duration::from_secs(30)).await;
        let again = receive(&queue).await;
        assert_eq!(again[0].message.receives, 2);
        queue.delete(&again[0].receipt);
        tokio::time::advance(Duration::from_secs(31)).await;
        assert!(receive(&queue).await.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_receiver_gets_a_delayed_message_when_it_is_due() {
        let queue = queue("orders");
        queue.send(
            "later".to_owned(),
            Value::Null,
            Some(Duration::from_secs(5)),
        );
        let before = Instant::now();
        let received = queue.receive(1, None, Duration::from_secs(20)).await;
        assert_eq!(received[0].message.body, "later");
        assert_eq!(before.elapsed().as_secs(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_last_receipt_changes_the_visibility() {
        let queue = queue("orders");
        queue.send("work".to_owned(), Value::Null, None);
        let first = receive(&queue).await.remove(0);
        queue
            .change_visibility(&first.receipt, Duration::ZERO)
            .expect("in flight");
        let second = receive(&queue).await.remove(0);
        assert!(
            queue
                .change_visibility(&first.receipt, Duration::ZERO)
                .is_err()
        );
        queue
            .change_visibility(&second.receipt, Duration::from_mins(1))
            .expect("in flight");
        tokio::time::advance(Duration::from_secs(31)).await;
        assert!(receive(&queue).await.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn message_is_a_dead_letter_after_its_maximum_receives() {
        let (queue, dead_letters) = (queue("orders"), Arc::new(queue("dead")));
        queue.redrive_to(Arc::clone(&dead_letters), 2);
        queue.send("poison".to_owned(), Value::Null, None);
        for _ in 0..2 {
            let received = receive(&queue).await.remove(0);
            queue
                .change_visibility(&received.receipt, Duration::ZERO)
                .expect("in flight");
        }
        assert!(receive(&queue).await.is_empty());
        assert_eq!(dead_letters.messages()[0].body, "poison");
        assert_eq!(dead_letters.depth().visible, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn killed_run_loses_no_message_and_restores_no_deleted_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let before = restored(&folder, "orders");
        for body in ["done", "received", "waiting", "delayed"] {
            let delay = (body == "delayed").then_some(Duration::from_mins(5));
            before.send(body.to_owned(), Value::Null, delay);
        }
        let received = before.receive(2, None, Duration::ZERO).await;
        before.delete(&received[0].receipt);

        // `before` was not shut down.
        let after = restored(&folder, "orders");
        let left: BTreeMap<_, _> = receive(&after)
            .await
            .into_iter()
            .map(|it| (it.message.body, it.message.receives))
            .collect();
        let undone = [&received[1].message.body, "waiting", "delayed"];
        assert_eq!(left.len(), undone.len(), "{left:?}");
        assert_eq!(left[undone[0]], 2, "the receive count is persisted");
        assert_eq!((left[undone[1]], left[undone[2]]), (1, 1));
        after.purge();
        assert!(restored(&folder, "orders").messages().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn dead_letter_is_persisted_in_its_new_queue() {
        let folder = tempfile::tempdir().expect("a folder");
        let queue = restored(&folder, "orders");
        queue.redrive_to(Arc::new(restored(&folder, "dead")), 1);
        queue.send("poison".to_owned(), Value::Null, None);
        receive(&queue).await;
        tokio::time::advance(Duration::from_secs(31)).await;
        assert!(receive(&queue).await.is_empty());
        assert!(restored(&folder, "orders").messages().is_empty());
        assert_eq!(restored(&folder, "dead").messages()[0].body, "poison");
    }
}
