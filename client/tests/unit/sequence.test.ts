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

/** Every message of a job, with progress between; each one to three times, in any order. */
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
  test("durable messages are handed over once and in order", () => {
    fc.assert(
      fc.property(deliveries, ({ log, messages }) => {
        const sequence = new Sequence();
        const handed = messages.flatMap((message) => sequence.accept(message));
        expect(durable(handed)).toEqual(log.map(({ seq }) => seq));
        expect(sequence.hasGap).toBe(false);
      }),
    );
  });

  test("progress never tells of what has been left behind", () => {
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

  test("whatever is lost, asking for the log after `seq` brings exactly what is missing", () => {
    const withLosses = deliveries.chain(({ log, messages }) =>
      fc.subarray(messages).map((received) => ({ log, received })),
    );
    fc.assert(
      fc.property(withLosses, ({ log, received }) => {
        const sequence = new Sequence();
        const handed = received.flatMap((message) => sequence.accept(message));
        const end = log.length;
        const status = snapshot(end, { status: "completed", results: { done: true } });
        handed.push(...sequence.acceptSubscribed(status, true));
        const replayed = log.filter(({ seq }) => seq > sequence.seq);
        handed.push(...replayed.flatMap((message) => sequence.accept(message)));
        expect(durable(handed)).toEqual(log.map(({ seq }) => seq));
      }),
    );
  });

  test("whatever is lost, the end comes once and last, although the log is gone", () => {
    const withLosses = deliveries.chain(({ log, messages }) =>
      fc.subarray(messages).map((received) => ({ log, received })),
    );
    fc.assert(
      fc.property(withLosses, ({ log, received }) => {
        const sequence = new Sequence();
        const handed = received.flatMap((message) => sequence.accept(message));
        const status = snapshot(log.length, { status: "completed", results: { done: true } });
        handed.push(...sequence.acceptSubscribed(status, false));
        const seqs = durable(handed);
        expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
        expect(handed.at(-1)?.type).toBe("job_complete");
        expect(sequence.hasGap).toBe(false);
      }),
    );
  });
});

describe("gaps", () => {
  test("progress with a later seq tells of a gap, and waits for what is missing", () => {
    const sequence = new Sequence();
    expect(sequence.accept(progress(1, 10))).toEqual([]);
    expect(sequence.hasGap).toBe(true);
    expect(sequence.accept(stageComplete(1))).toEqual([stageComplete(1), progress(1, 10)]);
    expect(sequence.hasGap).toBe(false);
  });

  test("a durable message after a gap waits for what is missing", () => {
    const sequence = new Sequence();
    expect(sequence.accept(jobCancelled(2))).toEqual([]);
    expect(sequence.hasGap).toBe(true);
    expect(sequence.accept(stageComplete(1))).toEqual([stageComplete(1), jobCancelled(2)]);
  });

  test("where the log is gone, what came early is still handed over, then the snapshot", () => {
    const sequence = new Sequence();
    sequence.accept(stageComplete(3));
    const status = snapshot(3, { progress: 40, message: "Further..." });
    const handed = sequence.acceptSubscribed(status, false);
    expect(handed).toMatchObject([{ seq: 3, type: "stage_complete" }, { type: "progress_update" }]);
    expect(sequence.seq).toBe(3);
  });
});

describe("snapshots", () => {
  test("the snapshot of a subscription waits for the log that comes after it", () => {
    const sequence = new Sequence();
    expect(sequence.acceptSubscribed(snapshot(1, { progress: 40 }), true)).toEqual([]);
    expect(sequence.accept(stageComplete(1))).toMatchObject([
      { type: "stage_complete" },
      { type: "progress_update", progress: 40 },
    ]);
  });

  test("who knows the whole log of an ended job is told of its end by the snapshot", () => {
    const sequence = new Sequence(2);
    const status = snapshot(2, { status: "cancelled", stage: "stage_2" });
    expect(sequence.acceptSubscribed(status, true)).toMatchObject([
      { type: "job_cancelled", seq: 2 },
    ]);
  });

  test("a applySnapshot does not make the log forgotten", () => {
    const sequence = new Sequence();
    expect(sequence.acceptPolled(snapshot(1, { progress: 40 }))).toMatchObject([{ progress: 40 }]);
    expect(sequence.seq).toBe(0);
    expect(sequence.accept(stageComplete(1))).toEqual([stageComplete(1)]);
  });

  test("a failed job that was only looked at says why", () => {
    const error = { code: "no_walls", message: "there are no walls" };
    const handed = new Sequence().acceptPolled(snapshot(1, { status: "failed", error }));
    expect(handed).toMatchObject([{ type: "job_failed", error, seq: 1 }]);
  });
});

describe("progress", () => {
  test("the same progress over two connections is one", () => {
    const sequence = new Sequence();
    expect(sequence.accept(progress(0, 10))).toHaveLength(1);
    expect(sequence.accept(progress(0, 10))).toHaveLength(0);
  });

  test("progress that was overtaken within its second is dropped", () => {
    const sequence = new Sequence();
    const timestamp = time(5);
    sequence.accept(progress(0, 20, { timestamp }));
    expect(sequence.accept(progress(0, 10, { timestamp }))).toHaveLength(0);
    expect(sequence.accept(progress(0, 30, { timestamp }))).toHaveLength(1);
  });

  test("a stage that begins again, in another run, is followed", () => {
    const sequence = new Sequence();
    sequence.accept(progress(0, 80, { timestamp: time(5) }));
    expect(sequence.accept(progress(0, 0, { timestamp: time(9) }))).toHaveLength(1);
  });

  test("the next attempt at a stage is followed at once, below where the one before was", () => {
    const sequence = new Sequence();
    const timestamp = time(5);
    sequence.accept(progress(0, 99, { timestamp, attempt: 1 }));
    const again = progress(0, 10, { timestamp, attempt: 2 });
    expect(sequence.accept(again)).toEqual([again]);
    // What was on its way from the attempt before comes too late, whatever it says.
    expect(sequence.accept(progress(0, 100, { timestamp: time(6), attempt: 1 }))).toEqual([]);
    expect(sequence.accept(progress(0, 20, { timestamp, attempt: 2 }))).toHaveLength(1);
  });

  test("the attempts at one stage say nothing of those at the next", () => {
    const sequence = new Sequence();
    sequence.accept(progress(0, 99, { attempt: 3 }));
    sequence.accept(stageComplete(1));
    expect(sequence.accept(progress(1, 5, { attempt: 1 }))).toHaveLength(1);
  });

  test("nothing is handed over after the end", () => {
    const sequence = new Sequence();
    sequence.accept(jobComplete(1));
    expect(sequence.accept(progress(1, 10))).toEqual([]);
    expect(sequence.acceptSubscribed(snapshot(1, { status: "completed" }), false)).toEqual([]);
  });

  test("messages of a publisher that does not number them are handed over as they come", () => {
    const { seq: _, ...unnumbered } = jobComplete(1);
    const sequence = new Sequence();
    expect(sequence.accept({ ...progress(0, 10), seq: undefined } as never)).toHaveLength(1);
    expect(sequence.accept(unnumbered as never)).toHaveLength(1);
  });
});
