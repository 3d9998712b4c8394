/**
 * Orders and deduplicates a job's messages: durable ones by `seq`, progress only if it is newer.
 */

import type { JobSnapshot } from "../../generated/messages.js";
import type { DurableMessage, JobMessage, ProgressMessage } from "./messages.js";
import { hasEnded, isEnd, messageOf } from "./messages.js";

export class Sequence {
  /** The `seq` that the caller started after. */
  #start: number;
  /** `seq` of the last durable message that was released. */
  #seq: number;
  /** The highest `seq` that any message or snapshot has mentioned. */
  #highestSeq: number;
  #ended = false;
  /** Durable messages that arrived before their predecessors, by `seq`. */
  #early = new Map<number, DurableMessage>();
  /** The latest progress whose `seq` is ahead of the released durable messages. */
  #waiting: ProgressMessage | null = null;
  #latest: ProgressMessage | null = null;

  /** Starts after the durable message `after`, the last one that is already known. */
  constructor(after = 0) {
    this.#start = after;
    this.#seq = after;
    this.#highestSeq = after;
  }

  /** The `seq` to resume after. */
  get seq(): number {
    return this.#seq;
  }

  /** Whether a durable message is known to be missing. */
  get hasGap(): boolean {
    return !this.#ended && this.#highestSeq > this.#seq;
  }

  /** Accepts a message and returns the messages that are now in order. */
  accept(message: JobMessage): JobMessage[] {
    if (this.#ended) return [];
    if (message.type === "progress_update") return this.#acceptProgress(message);
    const { seq } = message;
    // Messages without a `seq` cannot be deduplicated.
    if (!Number.isInteger(seq)) return this.#release([message]);
    this.#highestSeq = Math.max(this.#highestSeq, seq);
    if (seq > this.#seq) this.#early.set(seq, message);
    return this.#drain();
  }

  /**
   * Accepts the snapshot of a `subscribed` message or of an answer over HTTP. With `recovered`, the
   * log up to the snapshot follows; otherwise the log has expired, and the snapshot replaces the
   * missing messages.
   */
  acceptSnapshot(snapshot: JobSnapshot, recovered: boolean): JobMessage[] {
    if (this.#ended) return [];
    // The caller started beyond the log, which `recovered` denies: continue where the job is.
    if (!recovered && this.#seq === this.#start && this.#seq > snapshot.seq) {
      this.#highestSeq = this.#seq = 0;
    }
    this.#highestSeq = Math.max(this.#highestSeq, snapshot.seq);
    if (!recovered) {
      // The end of a job is a durable message itself, the last one.
      const lost = hasEnded(snapshot) ? snapshot.seq - 1 : snapshot.seq;
      const early = [...this.#early.keys()].filter((seq) => seq <= lost).sort((a, b) => a - b);
      const survivors = early.flatMap((seq) => this.#early.get(seq) ?? []);
      for (const seq of early) this.#early.delete(seq);
      this.#seq = Math.max(this.#seq, lost);
      return [...survivors, ...this.#drain(), ...this.#releaseSnapshot(snapshot)];
    }
    // The replayed log contains the end, unless the client already has the whole log.
    return hasEnded(snapshot) && this.#seq < snapshot.seq ? [] : this.#releaseSnapshot(snapshot);
  }

  #releaseSnapshot(snapshot: JobSnapshot): JobMessage[] {
    const message = messageOf(snapshot);
    if (message === null || this.#ended) return [];
    if (message.type === "progress_update") return this.#acceptProgress(message);
    return this.#release([message]);
  }

  #acceptProgress(message: ProgressMessage): JobMessage[] {
    const seq = message.seq ?? this.#seq;
    this.#highestSeq = Math.max(this.#highestSeq, seq);
    // Older than a durable message that was already released.
    if (seq < this.#seq) return [];
    if (seq > this.#seq) {
      this.#waiting = message;
      return [];
    }
    return this.#isNewer(message) ? this.#release([message]) : [];
  }

  /** Releases the buffered messages that follow without a gap. */
  #drain(): JobMessage[] {
    const ready: JobMessage[] = [];
    for (let next = this.#early.get(this.#seq + 1); next; next = this.#early.get(this.#seq + 1)) {
      this.#seq += 1;
      this.#early.delete(this.#seq);
      ready.push(...this.#release([next]));
    }
    const waiting = this.#waiting;
    if (waiting && waiting.seq <= this.#seq && !this.#ended) {
      this.#waiting = null;
      ready.push(...this.#acceptProgress(waiting));
    }
    return ready;
  }

  #release(messages: JobMessage[]): JobMessage[] {
    for (const message of messages) {
      if (message.type === "progress_update") this.#latest = message;
      if (isEnd(message)) this.#ended = true;
    }
    return messages;
  }

  /** During a renewal, two connections deliver the same progress with different delays. */
  #isNewer(message: ProgressMessage): boolean {
    const latest = this.#latest;
    if (latest === null || message.seq > latest.seq) return true;
    if (message.stage === latest.stage && message.seq === latest.seq) {
      // A later attempt restarts the percentages.
      const [attempt, known] = [message.attempt ?? 1, latest.attempt ?? 1];
      if (attempt !== known) return attempt > known;
    }
    if (message.timestamp !== latest.timestamp) return message.timestamp > latest.timestamp;
    if (message.stage !== latest.stage) return true;
    if (message.progress !== latest.progress) return message.progress > latest.progress;
    const [completed, known] = [message.completed ?? 0, latest.completed ?? 0];
    if (completed !== known) return completed > known;
    return (
      message.message !== latest.message ||
      message.estimated_seconds_remaining !== latest.estimated_seconds_remaining
    );
  }
}
