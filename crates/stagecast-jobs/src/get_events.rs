//! `GET /v1/jobs/{job_id}/events`.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use raw_json::RawJson;
use stagecast_contract::{
    http::{AFTER_SEQ_PARAMETER, EventsPage},
    limits::MAX_EVENTS_RESPONSE_BYTES,
    messages::JobStatus,
    owner_tokens::Scope,
};
use stagecast_core::{
    http::{ApiError, ApiResponse, ApiResult},
    models::{Event, Job},
    response_size::json_string_bytes,
    stores::FirstEvents,
};

use crate::{access, context::Context, poll_interval::retry_after, query};

pub(crate) async fn handle(context: &Context, request: &ApiGatewayV2httpRequest) -> ApiResult {
    let after = after_seq(request)?;
    let job = access::load_job(context, request, Scope::Watch).await?;
    let page = events_page(context, &job, after).await?;
    Ok(ApiResponse::json(200, &page)?.with_retry_after(page.retry_after))
}

/// The page after `after`. The log is read after `job`, and up to its `seq` only: every event up to there is
/// committed and in the log, and the snapshot contains its effect. Read the other way round, the log could
/// contain events that are not committed, and miss some that the snapshot contains.
pub(crate) async fn events_page(
    context: &Context,
    job: &Job,
    after: u64,
) -> Result<EventsPage, ApiError> {
    // The last event of a completed job is read in any case: it has the results.
    let is_completed = job.status == JobStatus::Completed;
    let from = if is_completed {
        after.min(job.seq.saturating_sub(1))
    } else {
        after
    };
    let FirstEvents { events, is_cut } = context
        .events
        .first_between(&job.job_id, from, job.seq)
        .await?;
    let mut last = events.last().filter(|event| event.seq == job.seq).cloned();
    if is_completed && last.is_none() {
        last = context.events.at(&job.job_id, job.seq).await?;
    }
    let artifacts = context.artifacts.load(job).await?.all();
    let snapshot = job.snapshot_with(last.as_ref(), artifacts);
    let part = part_after(after, job.seq, events, is_cut);
    let raw = |event: Event| RawJson::from_text(event.message).map_err(ApiError::internal);
    let more = part.next_after_seq < job.seq;
    Ok(EventsPage {
        job_id: job.job_id.clone(),
        recovered: part.recovered,
        next_after_seq: part.next_after_seq,
        more,
        retry_after: retry_after(&snapshot, more, job.cancel_requested, context.clock.now()),
        events: part.events.into_iter().map(raw).collect::<Result<_, _>>()?,
        snapshot,
    })
}

/// The events of one response.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    recovered: bool,
    events: Vec<Event>,
    next_after_seq: u64,
}

/// The first of `events` after `after` that fit into a response, at least one. `is_cut` says that the log has
/// more events than `events` before `last`, the `seq` of the job. Without an event in between, because it has
/// expired, or with an `after` beyond `last`, the snapshot replaces all of them.
fn part_after(after: u64, last: u64, mut events: Vec<Event>, is_cut: bool) -> Part {
    events.retain(|event| event.seq > after);
    let has_no_gap = (1_u64..)
        .zip(&events)
        .all(|(number, event)| event.seq - after == number);
    let is_complete = is_cut || events.last().map_or(after, |event| event.seq) == last;
    if after > last || !has_no_gap || !is_complete {
        return Part {
            recovered: false,
            events: Vec::new(),
            next_after_seq: last,
        };
    }
    let mut bytes = 0;
    let fitting = events
        .iter()
        .take_while(|event| {
            bytes += json_string_bytes(&event.message);
            bytes <= MAX_EVENTS_RESPONSE_BYTES
        })
        .count();
    events.truncate(fitting.max(1));
    Part {
        recovered: true,
        next_after_seq: events.last().map_or(after, |event| event.seq),
        events,
    }
}

/// The value of the query parameter [`AFTER_SEQ_PARAMETER`].
fn after_seq(request: &ApiGatewayV2httpRequest) -> Result<u64, ApiError> {
    let next_step = "give the `seq` of the last durable message that you have, such as `next_after_seq` of the \
                     last answer, or leave it out";
    let seq = query::number(request, AFTER_SEQ_PARAMETER, next_step)?;
    Ok(seq.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(seq: u64, bytes: usize) -> Event {
        Event {
            job_id: "job_20240115_ab".parse().unwrap(),
            seq,
            epoch: 1,
            message: "x".repeat(bytes),
            expires_at: 0,
        }
    }

    fn seqs(part: &Part) -> Vec<u64> {
        part.events.iter().map(|event| event.seq).collect()
    }

    fn lost(last: u64) -> Part {
        Part {
            recovered: false,
            events: Vec::new(),
            next_after_seq: last,
        }
    }

    #[test]
    fn part_ends_before_the_event_that_exceeds_the_limit() {
        let half = MAX_EVENTS_RESPONSE_BYTES / 2 - 2;
        let events = |sizes: &[usize]| {
            (3..)
                .zip(sizes)
                .map(|(seq, size)| event(seq, *size))
                .collect()
        };
        let fitting = part_after(2, 4, events(&[half, half]), false);
        assert_eq!((seqs(&fitting), fitting.next_after_seq), (vec![3, 4], 4));
        let cut = part_after(2, 5, events(&[half, half, 1]), false);
        assert_eq!((seqs(&cut), cut.next_after_seq), (vec![3, 4], 4));
        // One event is returned whatever its size.
        let large = part_after(2, 4, events(&[2 * half + 3, 1]), false);
        assert_eq!((seqs(&large), large.next_after_seq), (vec![3], 3));
    }

    #[test]
    fn part_without_an_expired_event_is_not_recovered() {
        let events = |seqs: &[u64]| seqs.iter().map(|seq| event(*seq, 1)).collect::<Vec<_>>();
        assert_eq!(part_after(1, 4, events(&[3, 4]), false), lost(4));
        assert_eq!(part_after(1, 4, events(&[2, 4]), false), lost(4));
        assert_eq!(part_after(1, 4, events(&[2, 3]), false), lost(4));
        assert_eq!(part_after(1, 4, events(&[]), false), lost(4));
        let cut = part_after(1, 4, events(&[2, 3]), true);
        assert_eq!((cut.recovered, cut.next_after_seq), (true, 3));
    }

    #[test]
    fn seq_beyond_the_last_one_is_not_recovered() {
        assert_eq!(part_after(5, 4, vec![event(4, 1)], false), lost(4));
        assert_eq!(part_after(u64::MAX, 0, Vec::new(), false), lost(0));
        let all = part_after(4, 4, vec![event(4, 1)], false);
        assert_eq!((all.recovered, all.next_after_seq), (true, 4));
    }
}
