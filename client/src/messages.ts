/** The messages as a watch hands them over. All of them come from `generated/messages.ts`. */

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

/** Logged before it is sent; comes once and in the order of `seq`. */
export type DurableMessage = ({ type: "stage_complete" } & StageComplete) | EndMessage;

/** The last message of a job. */
export type EndMessage =
  | ({ type: "job_complete" } & JobComplete)
  | ({ type: "job_failed" } & JobFailed)
  | ({ type: "job_cancelled" } & JobCancelled);

/** How far a running stage is; the latest wins. */
export type ProgressMessage = { type: "progress_update" } & ProgressUpdate;

/** What a job tells those who watch it. */
export type JobMessage = ProgressMessage | DurableMessage;

const DURABLE = new Set(["stage_complete", "job_complete", "job_failed", "job_cancelled"]);

/** Whether a message is the job's, and not the answer to a request. */
export function isJobMessage(message: ServerMessage): message is JobMessage {
  return message.type === "progress_update" || DURABLE.has(message.type);
}

/** Whether nothing comes after this message. */
export function isEnd(message: JobMessage): message is EndMessage {
  return message.type !== "progress_update" && message.type !== "stage_complete";
}

/** Whether a job has come to its end, good or bad. */
export function hasEnded({ status }: { readonly status: JobStatus }): boolean {
  return status === "completed" || status === "failed" || status === "cancelled";
}

/** The message that a snapshot amounts to; null while the job has nothing to tell. */
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
      };
    case "failed": {
      const unknown = { code: "internal", message: "the job failed and did not say why" };
      return { type: "job_failed", ...common, stage, error: snapshot.error ?? unknown };
    }
    case "cancelled":
      return { type: "job_cancelled", ...common, stage };
    case "running": {
      if (stage === null) return null;
      const { attempt, progress, overall_progress, message, estimated_seconds_remaining } =
        snapshot;
      return {
        type: "progress_update",
        ...common,
        stage,
        progress,
        overall_progress,
        message,
        estimated_seconds_remaining,
        ...(attempt === undefined ? {} : { attempt }),
      };
    }
    default:
      return null;
  }
}
