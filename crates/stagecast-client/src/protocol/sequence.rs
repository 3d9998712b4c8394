//! Orders and deduplicates a job's messages: durable ones by `seq`, progress only if it is newer.

use std::collections::BTreeMap;

use stagecast_contract::messages::{JobSnapshot, ProgressUpdate};

use crate::message::JobMessage;

/// The order of a job's messages. It releases each durable message once, in the order of `seq`, and a progress
/// update only if it is newer than the last one: within an attempt at a stage, progress never goes back.
#[derive(Clone, Debug, Default)]
pub struct Sequence {
    /// The `seq` that the caller started after.
    start: u64,
    /// `seq` of the last durable message that was released.
    seq: u64,
    /// The highest `seq` that any message or snapshot has mentioned.
    highest_seq: u64,
    ended: bool,
    /// Durable messages that arrived before their predecessors, by `seq`.
    early: BTreeMap<u64, JobMessage>,
    /// The latest progress whose `seq` is ahead of the released durable messages.
    waiting: Option<ProgressUpdate>,
    latest: Option<ProgressUpdate>,
}

impl Sequence {
    /// Starts after the durable message `after`, the last one that is already known; 0 if none is.
    pub fn after(after: u64) -> Self {
        Self {
            start: after,
            seq: after,
            highest_seq: after,
            ..Self::default()
        }
    }

    /// The `seq` to resume after.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Whether a durable message is known to be missing.
    pub fn has_gap(&self) -> bool {
        !self.ended && self.highest_seq > self.seq
    }

    /// Whether the last message of the job was released.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Accepts a message. Returns the messages that are now in order.
    #[must_use]
    pub fn accept(&mut self, message: JobMessage) -> Vec<JobMessage> {
        if self.ended {
            return Vec::new();
        }
        let message = match message {
            JobMessage::Progress(progress) => {
                return self.accept_progress(progress).into_iter().collect();
            }
            durable => durable,
        };
        let seq = message.seq();
        self.highest_seq = self.highest_seq.max(seq);
        if seq > self.seq {
            self.early.insert(seq, message);
        }
        self.drain()
    }

    /// Accepts the snapshot of a `subscribed` message or of a response over HTTP. If it is `recovered`, the log
    /// up to the snapshot follows or was accepted before. Otherwise the log has expired, and the snapshot
    /// replaces the missing messages.
    #[must_use]
    pub fn accept_snapshot(&mut self, snapshot: JobSnapshot, recovered: bool) -> Vec<JobMessage> {
        if self.ended {
            return Vec::new();
        }
        let (seq, has_ended) = (snapshot.seq, snapshot.status.has_ended());
        // The caller started beyond the log, which `recovered` denies: continue where the job is.
        if !recovered && self.seq == self.start && self.seq > seq {
            self.seq = 0;
            self.highest_seq = 0;
        }
        self.highest_seq = self.highest_seq.max(seq);
        if recovered {
            // The replayed log contains the end, unless the client has the whole log already.
            if has_ended && self.seq < seq {
                return Vec::new();
            }
            return self.accept_equivalent(snapshot);
        }
        // The end of a job is a durable message itself, the last one.
        let lost = if has_ended {
            seq.saturating_sub(1)
        } else {
            seq
        };
        let later = self.early.split_off(&(lost + 1));
        let survivors = std::mem::replace(&mut self.early, later);
        self.seq = self.seq.max(lost);
        let mut released: Vec<_> = survivors.into_values().collect();
        released.extend(self.drain());
        released.extend(self.accept_equivalent(snapshot));
        released
    }

    fn accept_equivalent(&mut self, snapshot: JobSnapshot) -> Vec<JobMessage> {
        match JobMessage::from_snapshot(snapshot) {
            None => Vec::new(),
            Some(_) if self.ended => Vec::new(),
            Some(JobMessage::Progress(progress)) => {
                self.accept_progress(progress).into_iter().collect()
            }
            Some(end) => {
                self.seq = self.seq.max(end.seq());
                self.ended = true;
                vec![end]
            }
        }
    }

    fn accept_progress(&mut self, progress: ProgressUpdate) -> Option<JobMessage> {
        self.highest_seq = self.highest_seq.max(progress.seq);
        if progress.seq > self.seq {
            self.waiting = Some(progress);
            return None;
        }
        // Older than a durable message that was released, or than other progress.
        if progress.seq < self.seq || !self.is_newer(&progress) {
            return None;
        }
        self.latest = Some(progress.clone());
        Some(JobMessage::Progress(progress))
    }

    /// Releases the buffered messages that follow without a gap.
    fn drain(&mut self) -> Vec<JobMessage> {
        let mut released = Vec::new();
        while let Some(next) = self.early.remove(&(self.seq + 1)) {
            self.seq += 1;
            self.ended = next.is_end();
            released.push(next);
        }
        // Replayed messages that were released meanwhile.
        self.early = self.early.split_off(&(self.seq + 1));
        if !self.ended
            && let Some(waiting) = self.waiting.take_if(|waiting| waiting.seq <= self.seq)
        {
            released.extend(self.accept_progress(waiting));
        }
        released
    }

    /// Two connections may deliver the same progress with different delays.
    fn is_newer(&self, progress: &ProgressUpdate) -> bool {
        let Some(latest) = &self.latest else {
            return true;
        };
        if progress.seq != latest.seq {
            return progress.seq > latest.seq;
        }
        if progress.stage != latest.stage {
            return progress.timestamp >= latest.timestamp;
        }
        // A later attempt starts the percentages again.
        let attempt = |it: &ProgressUpdate| it.attempt.unwrap_or(1);
        if attempt(progress) != attempt(latest) {
            return attempt(progress) > attempt(latest);
        }
        if progress.timestamp < latest.timestamp
            || progress.progress < latest.progress
            || progress.overall_progress < latest.overall_progress
        {
            return false;
        }
        progress != latest
    }
}

#[cfg(test)]
mod tests;
