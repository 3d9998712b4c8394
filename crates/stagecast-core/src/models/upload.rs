//! The upload of a job's input: its parts and when it expires.

use serde::{Deserialize, Serialize};
use stagecast_contract::{
    description::AnnouncedInput,
    limits::{MAX_SINGLE_UPLOAD_BYTES, UPLOAD_PART_BYTES, UPLOAD_SECONDS},
    messages::{FailureCode, JobError},
    timestamp::Timestamp,
};

/// The upload of a job that awaits its input. It is part of the job's item until the upload is complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingUpload {
    /// Size of the input, in bytes.
    pub size: u64,
    /// The SHA-256 that the input has to have, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Size of each part except the last one, in bytes.
    pub part_size: u64,
    /// S3's id of the multipart upload; none for an upload by a single PUT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload_id: Option<String>,
    /// When the job fails unless the upload is complete.
    pub expires_at: Timestamp,
    /// Why the job is to fail. An upload with a failure cannot be completed any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<JobError>,
}

/// A part of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its number, from 1.
    pub number: u32,
    /// Its first byte within the input.
    pub offset: u64,
    /// Its size in bytes.
    pub size: u64,
}

impl PendingUpload {
    /// The upload of an input that was announced at `now`.
    pub fn new(input: &AnnouncedInput, now: Timestamp) -> Self {
        Self {
            size: input.size,
            sha256: input.sha256.clone(),
            part_size: UPLOAD_PART_BYTES as u64,
            upload_id: None,
            expires_at: now.plus_seconds(UPLOAD_SECONDS),
            failure: None,
        }
    }

    /// The same upload for a job that expires at `job_expires_at`, in epoch seconds: it expires an hour earlier at
    /// the latest, so that its failure can be read.
    #[must_use]
    pub fn within(mut self, job_expires_at: i64) -> Self {
        let latest = Timestamp::from_epoch_seconds(job_expires_at - 60 * 60);
        self.expires_at = self.expires_at.min(latest);
        self
    }

    /// Whether the input is uploaded in parts, instead of by a single PUT.
    pub fn is_multipart(&self) -> bool {
        self.size > MAX_SINGLE_UPLOAD_BYTES as u64
    }

    /// All parts of the input; an input of a single PUT has one.
    pub fn parts(&self) -> impl Iterator<Item = Part> {
        let part_size = if self.is_multipart() {
            self.part_size.max(1)
        } else {
            self.size.max(1)
        };
        let count = self.size.div_ceil(part_size);
        let size = self.size;
        (0..count).map(move |index| Part {
            number: u32::try_from(index + 1).unwrap_or(u32::MAX),
            offset: index * part_size,
            size: part_size.min(size - index * part_size),
        })
    }

    /// Whether the upload is over at `now` without being complete.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at <= now
    }

    /// The failure of a job whose upload has expired.
    pub fn expired() -> JobError {
        JobError::of(
            FailureCode::UploadExpired,
            "the input was not uploaded completely before its upload expired; create another job and \
             finish its upload with POST /v1/jobs/{job_id}/upload",
        )
    }
}

#[cfg(test)]
mod tests {
    use stagecast_contract::limits::MAX_UPLOAD_BYTES;

    use super::*;

    const NOW: Timestamp = Timestamp::from_epoch_seconds(1_800_000_000);
    const PART: u64 = UPLOAD_PART_BYTES as u64;

    fn upload(size: u64) -> PendingUpload {
        let input = AnnouncedInput {
            content_type: "text/csv".to_owned(),
            size,
            sha256: None,
        };
        PendingUpload::new(&input, NOW)
    }

    #[test]
    fn parts_cover_the_input_without_gaps() {
        for (size, count) in [
            (1, 1),
            (PART, 1),
            (PART + 1, 2),
            (2 * PART, 2),
            (MAX_UPLOAD_BYTES as u64, 800),
        ] {
            let mut next = 0;
            let parts: Vec<_> = upload(size).parts().collect();
            for (index, part) in parts.iter().enumerate() {
                assert_eq!((part.number as usize, part.offset), (index + 1, next));
                assert!(part.size > 0 && part.size <= PART);
                next += part.size;
            }
            assert_eq!((next, parts.len()), (size, count));
            assert_eq!(upload(size).is_multipart(), count > 1);
        }
    }

    #[test]
    fn upload_expires_a_day_after_its_announcement() {
        assert!(!upload(1).has_expired(NOW.plus_seconds(UPLOAD_SECONDS - 1)));
        assert!(upload(1).has_expired(NOW.plus_seconds(UPLOAD_SECONDS)));
        let soon = NOW.plus_seconds(2 * 60 * 60).epoch_seconds();
        assert_eq!(upload(1).within(soon).expires_at, NOW.plus_seconds(60 * 60));
        let late = NOW.plus_seconds(UPLOAD_SECONDS * 2).epoch_seconds();
        assert_eq!(upload(1).within(late), upload(1));
        assert_eq!(PendingUpload::expired().code, "upload_expired");
    }
}
