/** The known state of a job, and how messages and snapshots change it. */

import type { Artifact, JobError, JobSnapshot, JobStatus } from "../../generated/messages.js";
import type { JobMessage, ProgressMessage } from "./messages.js";
import { hasEnded } from "./messages.js";

/** How much of a stage's work is done, in its own unit. */
export interface WorkAmount {
  /** The amount that is done; null if the stage does not count. */
  readonly completed: number | null;
  /** The whole amount; null if it is unknown. */
  readonly total: number | null;
  /** The plural of what is counted, for display, such as `rows`; may be empty. */
  readonly unit: string;
  /** Whether the stage does not know how much work there is. Its percentage does not grow then. */
  readonly indeterminate: boolean;
}

/** A stage of a watched job. */
export interface WatchedStage {
  readonly stage: string;
  readonly status: "running" | "completed" | "failed" | "cancelled";
  /** Percent, 0 to 100. */
  readonly progress: number;
  /** What the stage is doing, for display; empty after its end. */
  readonly message: string;
  /** How much of its work is done; null if it reports only a percentage, and after its end. */
  readonly work: WorkAmount | null;
  /**
   * The results in `stage_complete`; null if they are too large for a message or were not received.
   */
  readonly results: unknown;
  readonly results_url: string | null;
}

/** The known state of a job. Immutable: each change creates a new object. */
export interface WatchedJob {
  readonly job_id: string;
  readonly status: JobStatus;
  /** The stage that is running or was the last to run. */
  readonly stage: string | null;
  /** All known stages, in the order in which they ran. */
  readonly stages: readonly WatchedStage[];
  /**
   * The attempt at that stage, from 1; null before the first stage. Percentages start again with
   * each attempt.
   */
  readonly attempt: number | null;
  /** Percent of the running stage, 0 to 100. */
  readonly progress: number;
  /** Percent of the whole job, 0 to 100. */
  readonly overall_progress: number;
  /** What the job is doing, for display. */
  readonly message: string;
  /** Estimated seconds until the job ends, or null if unknown. */
  readonly estimated_seconds_remaining: number | null;
  /** The `seq` of the last durable message. */
  readonly seq: number;
  /** The results of a completed job; null if they are too large for a message. */
  readonly results: unknown;
  /**
   * The URL of the results relative to the HTTP API's address, if they are too large for a message.
   */
  readonly results_url: string | null;
  /**
   * The files that the job has produced, as far as they are known: those of a running stage come with a
   * snapshot. `HttpApi.artifactUrl` returns the URL of one.
   */
  readonly artifacts: readonly Artifact[];
  /** The error of a failed job. */
  readonly error: JobError | null;
  /** Whether the service has confirmed to this watch that the cancellation is requested. */
  readonly cancel_requested: boolean;
}

/** The state of a job before its first message. */
export function unknownJob(jobId: string): WatchedJob {
  return {
    job_id: jobId,
    status: "queued",
    stage: null,
    stages: [],
    attempt: null,
    progress: 0,
    overall_progress: 0,
    message: "",
    estimated_seconds_remaining: null,
    seq: 0,
    results: null,
    results_url: null,
    artifacts: [],
    error: null,
    cancel_requested: false,
  };
}

/**
 * Applies a message to the state of a job. Replayed messages do not change what the last snapshot, at
 * `snapshotSeq`, has.
 */
export function applyMessage(job: WatchedJob, message: JobMessage, snapshotSeq = 0): WatchedJob {
  const { stage = null } = message as { stage?: string | null };
  const seq = Math.max(job.seq, message.seq ?? 0);
  switch (message.type) {
    case "progress_update":
      return {
        ...job,
        seq,
        status: "running",
        stage,
        stages: withStage(job, message.stage, {
          status: "running",
          progress: message.progress,
          message: message.message,
          work: workOf(message),
        }),
        attempt: message.attempt ?? 1,
        progress: message.progress,
        overall_progress: message.overall_progress ?? job.overall_progress,
        message: message.message,
        estimated_seconds_remaining: message.estimated_seconds_remaining ?? null,
      };
    case "stage_complete": {
      // Replayed messages may be older than the snapshot; they do not set the state back.
      const isPast = message.seq <= job.seq && stage !== job.stage;
      return {
        ...job,
        seq,
        status: "running",
        stage: isPast ? job.stage : stage,
        stages: withStage(
          job,
          message.stage,
          {
            ...FINISHED,
            results: message.results ?? null,
            results_url: message.results_url ?? null,
          },
          isPast,
        ),
        progress: isPast ? job.progress : 100,
        // A snapshot, which the message may be older than, has all of them.
        artifacts:
          message.seq > snapshotSeq ? merged(job.artifacts, message.artifacts) : job.artifacts,
      };
    }
    case "job_complete":
      return {
        ...ended(job, "completed"),
        seq,
        stages: job.stages.map((each) => ({ ...each, ...FINISHED })),
        progress: 100,
        overall_progress: 100,
        results: message.results ?? null,
        results_url: message.results_url ?? null,
        artifacts: message.artifacts ?? [],
      };
    case "job_failed":
      return { ...ended(job, "failed", stage), seq, error: message.error };
    case "job_cancelled":
      return { ...ended(job, "cancelled", stage), seq };
  }
}

/** Applies a snapshot to the state of a job, except for what `messageOf` derives from it. */
export function applySnapshot(job: WatchedJob, snapshot: JobSnapshot): WatchedJob {
  const { artifacts = [], seq } = snapshot;
  const isNew = seq >= job.seq && JSON.stringify(artifacts) !== JSON.stringify(job.artifacts);
  return applyProgress(isNew ? { ...job, artifacts } : job, snapshot);
}

function applyProgress(job: WatchedJob, snapshot: JobSnapshot): WatchedJob {
  if (isWaiting(job) && isWaiting(snapshot)) {
    const { status, message } = snapshot;
    return job.message === message && job.status === status ? job : { ...job, status, message };
  }
  // If their `stage_complete` is lost or not here yet: the stages before the running one have finished.
  const isOther = ({ stage, status }: WatchedStage) =>
    status === "running" && stage !== snapshot.stage;
  const isOld =
    snapshot.seq < job.seq ||
    job.stages.some(({ stage, status }) => stage === snapshot.stage && status !== "running");
  if (isOld || !job.stages.some(isOther)) return job;
  const stages = job.stages.map((each) => (isOther(each) ? { ...each, ...FINISHED } : each));
  return { ...job, stages };
}

/** The known artifacts with those of a finished stage, which replace others of the same name. */
function merged(known: readonly Artifact[], added: readonly Artifact[] = []): readonly Artifact[] {
  return [...new Map([...known, ...added].map((each) => [each.name, each])).values()];
}

/** Whether the job has not started. */
function isWaiting({ status }: { status: JobStatus }): boolean {
  return status === "queued" || status === "awaiting_input";
}

const FINISHED = { status: "completed", progress: 100, message: "", work: null } as const;

function workOf(message: ProgressMessage): WorkAmount | null {
  const { completed = null, total = null, unit, indeterminate = false } = message;
  if (completed === null && !indeterminate) return null;
  return { completed, total, unit: unit ?? "", indeterminate };
}

function ended(job: WatchedJob, status: "completed" | "failed" | "cancelled", at?: string | null) {
  if (hasEnded(job)) return job;
  const change = { status: status, message: "", work: null };
  const stages = at ? withStage(job, at, change) : job.stages;
  return {
    ...job,
    status,
    stage: at ?? job.stage,
    // No stage is running after the end of the job.
    stages: stages.map((each) => (each.status === "running" ? { ...each, ...change } : each)),
    message: "",
    estimated_seconds_remaining: null,
  };
}

function withStage(
  job: WatchedJob,
  name: string,
  change: Partial<WatchedStage>,
  isPast = false,
): readonly WatchedStage[] {
  const found = job.stages.some(({ stage }) => stage === name);
  const started: WatchedStage = {
    stage: name,
    status: "running",
    progress: 0,
    message: "",
    work: null,
    results: null,
    results_url: null,
  };
  const stages = [...job.stages];
  // Finished stages come before the running one.
  if (!found) stages.splice(isPast ? -1 : stages.length, 0, started);
  return stages.map((each) => {
    if (each.stage !== name) return each;
    // Between two stages the snapshot still names the finished one as the current stage.
    const isDone = each.status === "completed" && change.status === "running";
    return isDone && change.progress === 100 ? each : { ...each, ...change };
  });
}
