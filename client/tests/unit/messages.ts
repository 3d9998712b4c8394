/** Messages of a job for tests. */

import type { JobSnapshot } from "../../../generated/messages.js";
import type { DurableMessage, EndMessage, ProgressMessage } from "../../src/index.js";

export const JOB = "job_20260101_0123456789abcdef";
export const KEY = "0123456789abcdef0123456789abcdef";
const common = { job_id: JOB, correlation_id: "conn_test" };

/** The timestamp `second` seconds after a fixed time. */
export function time(second: number): string {
  return new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString().replace(".000", "");
}

export function progress(
  seq: number,
  percent: number,
  more: Partial<ProgressMessage> = {},
): ProgressMessage {
  return {
    type: "progress_update",
    ...common,
    seq,
    stage: `stage_${seq + 1}`,
    progress: percent,
    overall_progress: percent,
    message: "Working...",
    estimated_seconds_remaining: null,
    timestamp: time(seq * 100 + percent),
    ...more,
  };
}

export function stageComplete(seq: number): DurableMessage {
  const results = { from: seq };
  return {
    type: "stage_complete",
    ...common,
    seq,
    stage: `stage_${seq}`,
    results,
    timestamp: time(seq * 100),
  };
}

export function jobComplete(seq: number): EndMessage {
  return {
    type: "job_complete",
    ...common,
    seq,
    results: { done: true },
    timestamp: time(seq * 100),
  };
}

export function jobFailed(seq: number): EndMessage {
  const error = { code: "no_walls", message: "there are no walls in this image" };
  return {
    type: "job_failed",
    ...common,
    seq,
    stage: `stage_${seq}`,
    error,
    timestamp: time(seq * 100),
  };
}

export function jobCancelled(seq: number): EndMessage {
  return {
    type: "job_cancelled",
    ...common,
    seq,
    stage: `stage_${seq}`,
    timestamp: time(seq * 100),
  };
}

export function snapshot(seq: number, more: Partial<JobSnapshot> = {}): JobSnapshot {
  return {
    ...common,
    seq,
    status: "running",
    stage: `stage_${seq + 1}`,
    progress: 0,
    overall_progress: 0,
    message: "Starting...",
    estimated_seconds_remaining: null,
    created_at: time(0),
    updated_at: time(seq * 100),
    ...more,
  };
}
