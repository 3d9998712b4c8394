/** The messages that a watch delivers. The generated types are in `generated/messages.ts`. */

import type {
  JobCancelled,
  JobComplete,
  JobFailed,
  JobSnapshot,
  JobStatus,
  ProgressUpdate,
  ServerMessage,
  StageComplete,
} from "../../generated/messages.js";

/** A message that is logged before it is sent. Delivered exactly once, in the order of `seq`. */
export type DurableMessage = ({ type: "stage_complete" } & StageComplete) | EndMessage;

/** The last message of a job. */
export type EndMessage =
  | ({ type: "job_complete" } & JobComplete)
  | ({ type: "job_failed" } & JobFailed)
  | ({ type: "job_cancelled" } & JobCancelled);

/** The progress of the running stage; a later one replaces it. */
export type ProgressMessage = { type: "progress_update" } & ProgressUpdate;

/** A message of a job. */
export type JobMessage = ProgressMessage | DurableMessage;

const DURABLE = new Set(["stage_complete", "job_complete", "job_failed", "job_cancelled"]);

/** Whether the message is about the job and not a reply. */
export function isJobMessage(message: ServerMessage): message is JobMessage {
  return message.type === "progress_update" || DURABLE.has(message.type);
}

/** Whether this is the last message of the job. */
export function isEnd(message: JobMessage): message is EndMessage {
  return message.type !== "progress_update" && message.type !== "stage_complete";
}

/** Whether the job is completed, failed or cancelled. */
export function hasEnded({ status }: { readonly status: JobStatus }): boolean {
  return status === "completed" || status === "failed" || status === "cancelled";
}

/** The message that is equivalent to a snapshot; null while the job is queued. */
export function messageOf(snapshot: JobSnapshot): ProgressMessage | EndMessage | null {
  const { job_id, seq, correlation_id, stage, updated_at: timestamp } = snapshot;
  const common = { job_id, seq, correlation_id, timestamp };
  switch (snapshot.status) {
    case "completed":
      return {
        type: "job_complete",
        ...common,
        results: snapshot.results ?? null,
        results_url: snapshot.results_url ?? null,
        ...(snapshot.artifacts === undefined ? {} : { artifacts: snapshot.artifacts }),
      };
    case "failed": {
      const unknown = { code: "internal", message: "the job failed without an error message" };
      return { type: "job_failed", ...common, stage, error: snapshot.error ?? unknown };
    }
    case "cancelled":
      return { type: "job_cancelled", ...common, stage };
    case "running": {
      if (stage === null) return null;
      // Running jobs have no results and no error.
      const { status, created_at, updated_at, labels, artifacts, run_at, ...progress } = snapshot;
      return { type: "progress_update", ...progress, stage, timestamp };
    }
    default:
      return null;
  }
}
