/** The known state of the jobs of an owner, and how messages and snapshots change it. */

import type { JobSnapshot } from "../../generated/messages.js";
import type { JobEvents } from "./http.js";
import type { WatchedJob } from "./job.js";
import { applyMessage, applySnapshot, unknownJob } from "./job.js";
import type { JobMessage } from "./messages.js";
import { hasEnded } from "./messages.js";
import { Sequence } from "./sequence.js";

/** A job in the list of its owner. Immutable: each change creates a new object. */
export interface ListedJob extends WatchedJob {
  /** When the job was created; null until its first snapshot. */
  readonly created_at: string | null;
  readonly labels: Readonly<Record<string, string>>;
}

interface Entry {
  job: ListedJob;
  sequence: Sequence;
  /** The `seq` of the last snapshot from the service. */
  snapshotSeq: number;
}

export class JobList {
  #entries = new Map<string, Entry>();
  #sorted: readonly ListedJob[] | null = null;

  /** The jobs, newest first. Each change creates a new array. */
  get jobs(): readonly ListedJob[] {
    this.#sorted ??= [...this.#entries.values()].map(({ job }) => job).sort(newestFirst);
    return this.#sorted;
  }

  has(jobId: string): boolean {
    return this.#entries.has(jobId);
  }

  /** The `seq` of the last durable message without a gap. */
  seq(jobId: string): number {
    return this.#entries.get(jobId)?.sequence.seq ?? 0;
  }

  /** Whether a durable message or the snapshot of the job is known to be missing. */
  isIncomplete(jobId: string): boolean {
    const entry = this.#entries.get(jobId);
    return entry !== undefined && (entry.sequence.hasGap || entry.job.created_at === null);
  }

  /** The jobs that are not known to have ended, which may have changed while there was no connection. */
  get open(): string[] {
    const entries = [...this.#entries.values()];
    return entries.flatMap(({ job }) => (hasEnded(job) ? [] : [job.job_id]));
  }

  /** Removes a job that the service keeps no longer. */
  delete(jobId: string): void {
    if (this.#entries.delete(jobId)) this.#sorted = null;
  }

  /** Accepts a message. Returns the messages that are now in order. */
  accept(message: JobMessage): JobMessage[] {
    const entry = this.#entry(message.job_id, 0);
    return this.#apply(entry, entry.sequence.accept(message));
  }

  /**
   * Accepts the snapshot of a list or of a new job. With `isStart`, the messages of an unknown job up to the snapshot are
   * not missing.
   */
  acceptSnapshot(snapshot: JobSnapshot, isStart: boolean): JobMessage[] {
    const isSkipped = isStart && !this.has(snapshot.job_id);
    const entry = this.#entry(snapshot.job_id, isSkipped ? snapshot.seq : 0);
    // Lists have no artifacts.
    const { artifacts } = entry.job;
    const messages = this.#acceptSnapshot(entry, { ...snapshot, artifacts: [...artifacts] }, true);
    return isSkipped ? [] : messages;
  }

  /** Accepts durable messages, and the state to which they lead. */
  acceptEvents({ snapshot, recovered, events }: JobEvents): JobMessage[] {
    const entry = this.#entry(snapshot.job_id, 0);
    const messages = this.#acceptSnapshot(entry, snapshot, recovered);
    return [...messages, ...events.flatMap((event) => this.accept(event))];
  }

  #acceptSnapshot(entry: Entry, snapshot: JobSnapshot, recovered: boolean): JobMessage[] {
    entry.snapshotSeq = Math.max(entry.snapshotSeq, snapshot.seq);
    const { created_at, labels = {} } = snapshot;
    const job = { ...applySnapshot(entry.job, snapshot), created_at, labels };
    if (JSON.stringify(job) !== JSON.stringify(entry.job)) this.#change(entry, job);
    return this.#apply(entry, entry.sequence.acceptSnapshot(snapshot, recovered));
  }

  #entry(jobId: string, after: number): Entry {
    let entry = this.#entries.get(jobId);
    if (entry === undefined) {
      const job = { ...unknownJob(jobId), created_at: null, labels: {} };
      entry = { job, sequence: new Sequence(after), snapshotSeq: after };
      this.#entries.set(jobId, entry);
      this.#sorted = null;
    }
    return entry;
  }

  #apply(entry: Entry, messages: JobMessage[]): JobMessage[] {
    let { job } = entry;
    const { created_at, labels } = job;
    for (const message of messages) {
      job = { ...applyMessage(job, message, entry.snapshotSeq), created_at, labels };
    }
    if (messages.length > 0) this.#change(entry, job);
    return messages;
  }

  #change(entry: Entry, job: ListedJob): void {
    entry.job = job;
    this.#sorted = null;
  }
}

/** Jobs whose creation is not known yet are new. */
function newestFirst(a: ListedJob, b: ListedJob): number {
  const [first, second] = [a.created_at ?? "9", b.created_at ?? "9"];
  if (first !== second) return first < second ? 1 : -1;
  return a.job_id < b.job_id ? 1 : -1;
}
