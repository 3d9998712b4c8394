/** Puts a job's messages in order: durable ones once and by their `seq`, progress only if it is news. */

import type { JobSnapshot } from "../../generated/messages.js";
import type { DurableMessage, JobMessage, ProgressMessage } from "./messages.js";
import { hasEnded, isEnd, messageOf } from "./messages.js";

export class Sequence {
  /** All durable messages up to this `seq` have been handed over. */
  #seq: number;
  /** The highest `seq` that anything has spoken of. */
  #heardOf: number;
  #ended = false;
  /** Durable messages that came before their predecessors. */
  #early = new Map<number, DurableMessage>();
  /** Progress that tells of durable messages which are still to come. */
  #waiting: ProgressMessage | null = null;
  #latest: ProgressMessage | null = null;

  /** `after`: the `seq` of the last durable message that is already known. */
  constructor(after = 0) {
    this.#seq = after;
    this.#heardOf = after;
  }

  /** Where to resume. */
  get seq(): number {
    return this.#seq;
  }

  /** Whether a durable message is known to be missing. */
  get hasGap(): boolean {
    return !this.#ended && this.#heardOf > this.#seq;
  }

  /** Takes a message; returns what can now be handed over, in order. */
  take(message: JobMessage): JobMessage[] {
    if (this.#ended) return [];
    if (message.type === "progress_update") return this.#takeProgress(message);
    const { seq } = message;
    // A publisher that does not number its messages sends them once.
    if (!Number.isInteger(seq)) return this.#handOver([message]);
    this.#heardOf = Math.max(this.#heardOf, seq);
    if (seq > this.#seq) this.#early.set(seq, message);
    return this.#drain();
  }

  /**
   * Takes the snapshot that comes with a subscription. With `recovered`, the log up to it follows;
   * otherwise the log no longer holds what is missing, and the snapshot stands for it.
   */
  takeSnapshot(snapshot: JobSnapshot, recovered: boolean): JobMessage[] {
    if (this.#ended) return [];
    this.#heardOf = Math.max(this.#heardOf, snapshot.seq);
    if (!recovered) {
      // An end is a durable message of its own, and comes last.
      const lost = hasEnded(snapshot) ? snapshot.seq - 1 : snapshot.seq;
      const early = [...this.#early.keys()].filter((seq) => seq <= lost).sort((a, b) => a - b);
      const survivors = early.flatMap((seq) => this.#early.get(seq) ?? []);
      for (const seq of early) this.#early.delete(seq);
      this.#seq = Math.max(this.#seq, lost);
      return [...survivors, ...this.#drain(), ...this.#takeWhole(snapshot)];
    }
    // The log ends with the end; only who knows all of the log has to be told by the snapshot.
    return hasEnded(snapshot) && this.#seq < snapshot.seq ? [] : this.#takeWhole(snapshot);
  }

  /**
   * Takes a snapshot that was asked for apart from any subscription: it tells how the job is, but
   * the log remains to be had.
   */
  applySnapshot(snapshot: JobSnapshot): JobMessage[] {
    if (this.#ended || snapshot.seq < this.#seq) return [];
    const message = messageOf(snapshot);
    if (message === null) return [];
    if (message.type !== "progress_update") return this.#handOver([message]);
    return this.#isNews(message) ? this.#handOver([message]) : [];
  }

  #takeWhole(snapshot: JobSnapshot): JobMessage[] {
    const message = messageOf(snapshot);
    if (message === null || this.#ended) return [];
    if (message.type === "progress_update") return this.#takeProgress(message);
    return this.#handOver([message]);
  }

  #takeProgress(message: ProgressMessage): JobMessage[] {
    const seq = message.seq ?? this.#seq;
    this.#heardOf = Math.max(this.#heardOf, seq);
    // Reported before a durable message that has been handed over.
    if (seq < this.#seq) return [];
    if (seq > this.#seq) {
      this.#waiting = message;
      return [];
    }
    return this.#isNews(message) ? this.#handOver([message]) : [];
  }

  /** What follows what has been handed over without a gap. */
  #drain(): JobMessage[] {
    const ready: JobMessage[] = [];
    for (let next = this.#early.get(this.#seq + 1); next; next = this.#early.get(this.#seq + 1)) {
      this.#seq += 1;
      this.#early.delete(this.#seq);
      ready.push(...this.#handOver([next]));
    }
    const waiting = this.#waiting;
    if (waiting && waiting.seq <= this.#seq && !this.#ended) {
      this.#waiting = null;
      ready.push(...this.#takeProgress(waiting));
    }
    return ready;
  }

  #handOver(messages: JobMessage[]): JobMessage[] {
    for (const message of messages) {
      if (message.type === "progress_update") this.#latest = message;
      if (isEnd(message)) this.#ended = true;
    }
    return messages;
  }

  /** Two connections bring the same progress, and not in step. */
  #isNews(message: ProgressMessage): boolean {
    const latest = this.#latest;
    if (latest === null || message.seq > latest.seq) return true;
    if (message.stage === latest.stage && message.seq === latest.seq) {
      // A stage that was started again begins below where the attempt before it was.
      const [attempt, known] = [message.attempt ?? 1, latest.attempt ?? 1];
      if (attempt !== known) return attempt > known;
    }
    if (message.timestamp !== latest.timestamp) return message.timestamp > latest.timestamp;
    if (message.stage !== latest.stage) return true;
    if (message.progress !== latest.progress) return message.progress > latest.progress;
    return (
      message.message !== latest.message ||
      message.estimated_seconds_remaining !== latest.estimated_seconds_remaining
    );
  }
}
