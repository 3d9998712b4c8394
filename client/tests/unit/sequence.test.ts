import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { DurableMessage, JobMessage } from "../../src/index.js";
import { Sequence } from "../../src/sequence.js";
import { jobCancelled, jobComplete, progress, snapshot, stageComplete, time } from "./messages.js";

/** A job's log: stages, then the end. */
function logOf(stages: number): DurableMessage[] {
  const completed = Array.from({ length: stages }, (_, index) => stageComplete(index + 1));
  return [...completed, jobComplete(stages + 1)];
}

function durable(messages: JobMessage[]): number[] {
  return messages.flatMap((message) => (message.type === "progress_update" ? [] : [message.seq]));
}

/** Every message of a job with progress in between, each one to three times, in any order. */
const deliveries = fc.integer({ min: 0, max: 8 }).chain((stages) => {
  const log = logOf(stages);
  const all = log.flatMap((message) => [
    progress(message.seq - 1, 30),
    progress(message.seq - 1, 70),
    message,
  ]);
  const repeated = fc.array(fc.constantFrom(...all), { maxLength: 20 });
  return repeated
    .chain((again) =>
      fc.shuffledSubarray([...all, ...again], { minLength: all.length + again.length }),
    )
    .map((messages) => ({ log, messages }));
});

describe("any order, any repetition", () => {
  test("durable messages are released once and in order", () => {
    fc.assert(
      fc.property(deliveries, ({ log, messages }) => {
        const sequence = new Sequence();
        const handed = messages.flatMap((message) => sequence.accept(message));
        expect(durable(handed)).toEqual(log.map(({ seq }) => seq));
        expect(sequence.hasGap).toBe(false);
      }),
    );
  });

  test("progress is never older than a released message", () => {
    fc.assert(
      fc.property(deliveries, ({ messages }) => {
        const sequence = new Sequence();
        const handed = messages.flatMap((message) => sequence.accept(message));
        let seq = 0;
        let before = "";
        for (const message of handed) {
          if (message.type !== "progress_update") {
            seq = message.seq;
          } else {
            expect(message.seq).toBe(seq);
            expect(message.timestamp > before).toBe(true);
            before = message.timestamp;
          }
        }
      }),
    );
  });

  test("replay after seq restores exactly the lost messages", () => {
    const withLosses = deliveries.chain(({ log, messages }) =>
      fc.subarray(messages).map((received) => ({ log, received })),
    );
    fc.assert(
      fc.property(withLosses, ({ log, received }) => {
        const sequence = new Sequence();
        const handed = received.flatMap((message) => sequence.accept(message));
        const end = log.length;
        const status = snapshot(end, { status: "completed", results: { done: true } });
        handed.push(...sequence.acceptSnapshot(status, true));
        const replayed = log.filter(({ seq }) => seq > sequence.seq);
        handed.push(...replayed.flatMap((message) => sequence.accept(message)));
        expect(durable(handed)).toEqual(log.map(({ seq }) => seq));
      }),
    );
  });

  test("end comes once and last after the log expired", () => {
    const withLosses = deliveries.chain(({ log, messages }) =>
      fc.subarray(messages).map((received) => ({ log, received })),
    );
    fc.assert(
      fc.property(withLosses, ({ log, received }) => {
        const sequence = new Sequence();
        const handed = received.flatMap((message) => sequence.accept(message));
        const status = snapshot(log.length, { status: "completed", results: { done: true } });
        handed.push(...sequence.acceptSnapshot(status, false));
        const seqs = durable(handed);
        expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
        expect(handed.at(-1)?.type).toBe("job_complete");
        expect(sequence.hasGap).toBe(false);
      }),
    );
  });
});

describe("gaps", () => {
  test("progress with a later seq waits for the missing message", () => {
    const sequence = new Sequence();
    expect(sequence.accept(progress(1, 10))).toEqual([]);
    expect(sequence.hasGap).toBe(true);
    expect(sequence.accept(stageComplete(1))).toEqual([stageComplete(1), progress(1, 10)]);
    expect(sequence.hasGap).toBe(false);
  });

  test("durable message after a gap waits for the missing one", () => {
    const sequence = new Sequence();
    expect(sequence.accept(jobCancelled(2))).toEqual([]);
    expect(sequence.hasGap).toBe(true);
    expect(sequence.accept(stageComplete(1))).toEqual([stageComplete(1), jobCancelled(2)]);
  });

  test("expired log releases early messages, then the snapshot", () => {
    const sequence = new Sequence();
    sequence.accept(stageComplete(3));
    const status = snapshot(3, { progress: 40, message: "Further..." });
    const handed = sequence.acceptSnapshot(status, false);
    expect(handed).toMatchObject([{ seq: 3, type: "stage_complete" }, { type: "progress_update" }]);
    expect(sequence.seq).toBe(3);
  });
});

describe("a start beyond the log", () => {
  test("continues after the snapshot of a running job", () => {
    const sequence = new Sequence(9);
    const handed = sequence.acceptSnapshot(snapshot(1, { progress: 40 }), false);
    expect(handed).toMatchObject([{ type: "progress_update", progress: 40 }]);
    expect(sequence.seq).toBe(1);
    expect(sequence.hasGap).toBe(false);
    expect(sequence.accept(stageComplete(2))).toEqual([stageComplete(2)]);
    expect(sequence.accept(jobComplete(3))).toEqual([jobComplete(3)]);
  });

  test("does not repeat messages that another connection delivered", () => {
    const sequence = new Sequence(1);
    sequence.accept(stageComplete(2));
    sequence.accept(stageComplete(3));
    // The log has expired, and the snapshot was read before the last message.
    sequence.acceptSnapshot(snapshot(2, { progress: 40 }), false);
    expect(sequence.seq).toBe(3);
  });
});

describe("snapshots", () => {
  test("snapshot of a subscription waits for the replayed log", () => {
    const sequence = new Sequence();
    expect(sequence.acceptSnapshot(snapshot(1, { progress: 40 }), true)).toEqual([]);
    expect(sequence.accept(stageComplete(1))).toMatchObject([
      { type: "stage_complete" },
      { type: "progress_update", progress: 40 },
    ]);
  });

  test("snapshot ends a job whose whole log is known", () => {
    const sequence = new Sequence(2);
    const status = snapshot(2, { status: "cancelled", stage: "stage_2" });
    expect(sequence.acceptSnapshot(status, true)).toMatchObject([
      { type: "job_cancelled", seq: 2 },
    ]);
  });

  test("snapshot of a page waits for the events of later pages", () => {
    const sequence = new Sequence();
    expect(sequence.acceptSnapshot(snapshot(2, { progress: 40 }), true)).toEqual([]);
    expect(sequence.accept(stageComplete(1))).toEqual([stageComplete(1)]);
    // The next page has a newer snapshot.
    expect(sequence.acceptSnapshot(snapshot(2, { progress: 60 }), true)).toEqual([]);
    expect(sequence.accept(stageComplete(2))).toMatchObject([
      { type: "stage_complete" },
      { type: "progress_update", progress: 60 },
    ]);
  });

  test("snapshot of a failed job without its log contains its error", () => {
    const error = { code: "no_walls", message: "there are no walls" };
    const handed = new Sequence().acceptSnapshot(snapshot(1, { status: "failed", error }), false);
    expect(handed).toMatchObject([{ type: "job_failed", error, seq: 1 }]);
  });
});

describe("progress", () => {
  test("same progress over two connections is released once", () => {
    const sequence = new Sequence();
    expect(sequence.accept(progress(0, 10))).toHaveLength(1);
    expect(sequence.accept(progress(0, 10))).toHaveLength(0);
  });

  test("older progress of the same second is dropped", () => {
    const sequence = new Sequence();
    const timestamp = time(5);
    sequence.accept(progress(0, 20, { timestamp }));
    expect(sequence.accept(progress(0, 10, { timestamp }))).toHaveLength(0);
    expect(sequence.accept(progress(0, 30, { timestamp }))).toHaveLength(1);
  });

  test("restarted stage is followed", () => {
    const sequence = new Sequence();
    sequence.accept(progress(0, 80, { timestamp: time(5) }));
    expect(sequence.accept(progress(0, 0, { timestamp: time(9) }))).toHaveLength(1);
  });

  test("next attempt at a stage may decrease the percentage", () => {
    const sequence = new Sequence();
    const timestamp = time(5);
    sequence.accept(progress(0, 99, { timestamp, attempt: 1 }));
    const again = progress(0, 10, { timestamp, attempt: 2 });
    expect(sequence.accept(again)).toEqual([again]);
    // Late messages of the previous attempt are dropped, whatever their percentage.
    expect(sequence.accept(progress(0, 100, { timestamp: time(6), attempt: 1 }))).toEqual([]);
    expect(sequence.accept(progress(0, 20, { timestamp, attempt: 2 }))).toHaveLength(1);
  });

  test("attempts are compared within a stage only", () => {
    const sequence = new Sequence();
    sequence.accept(progress(0, 99, { attempt: 3 }));
    sequence.accept(stageComplete(1));
    expect(sequence.accept(progress(1, 5, { attempt: 1 }))).toHaveLength(1);
  });

  test("nothing is released after the end", () => {
    const sequence = new Sequence();
    sequence.accept(jobComplete(1));
    expect(sequence.accept(progress(1, 10))).toEqual([]);
    expect(sequence.acceptSnapshot(snapshot(1, { status: "completed" }), false)).toEqual([]);
  });

  test("messages without seq are released as they come", () => {
    const { seq: _, ...unnumbered } = jobComplete(1);
    const sequence = new Sequence();
    expect(sequence.accept({ ...progress(0, 10), seq: undefined } as never)).toHaveLength(1);
    expect(sequence.accept(unnumbered as never)).toHaveLength(1);
  });
});
