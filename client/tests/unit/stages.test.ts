/** The stages in a watch's snapshot, over both transports. */

import { describe, expect, test, vi } from "vitest";
import { jobCancelled, jobFailed, progress, stageComplete } from "./messages.js";
import { service, settle, start, startLive, watch } from "./watching.js";

function stages(): [string, string][] {
  return watch.snapshot.stages.map(({ stage, status }) => [stage, status]);
}

describe("over HTTP without stage_complete", () => {
  async function startOverHttp(): Promise<void> {
    service.connections = "refused";
    start({ httpApi: "http://service.test", fetch: service.http.fetch });
    service.publish(progress(0, 60));
    await vi.advanceTimersByTimeAsync(6000);
    expect(watch.transport).toBe("http");
  }

  test("stage is completed when another one runs", async () => {
    await startOverHttp();
    expect(stages()).toEqual([["stage_1", "running"]]);
    service.publish(stageComplete(1));
    service.publish(progress(1, 20));
    await vi.advanceTimersByTimeAsync(2000);
    expect(stages()).toEqual([
      ["stage_1", "completed"],
      ["stage_2", "running"],
    ]);
  });

  test("stage is completed when a later one fails", async () => {
    await startOverHttp();
    service.publish(stageComplete(1));
    service.publish(progress(1, 20));
    service.publish(jobFailed(2));
    await vi.advanceTimersByTimeAsync(2000);
    expect(stages()).toEqual([
      ["stage_1", "completed"],
      ["stage_2", "failed"],
    ]);
  });
});

describe("between two stages", () => {
  test("completed stage stays completed", async () => {
    service.publish(progress(0, 100));
    service.publish(stageComplete(1));
    // The state of the job's item at that time.
    service.status = { ...service.status, stage: "stage_1", progress: 100 };
    start();
    await settle();
    expect(watch.snapshot.stages).toMatchObject([
      { stage: "stage_1", status: "completed", results: { from: 1 } },
    ]);
    service.publish({ ...jobFailed(2), stage: null } as never);
    expect(stages()).toEqual([["stage_1", "completed"]]);
  });

  test("restarted stage is running", async () => {
    await startLive();
    service.publish(stageComplete(1));
    service.publish(progress(1, 10, { stage: "stage_1" }));
    expect(stages()).toEqual([["stage_1", "running"]]);
  });
});

test("no stage is running after the end", async () => {
  await startLive();
  service.publish(progress(0, 60));
  service.publish({ ...jobCancelled(1), stage: null } as never);
  expect(stages()).toEqual([["stage_1", "cancelled"]]);
});

describe("a stage that a new claim restarts", () => {
  test("has the lower percentage and its attempt", async () => {
    await startLive();
    service.publish(progress(0, 42, { attempt: 1 }));
    await settle();
    expect(watch.snapshot).toMatchObject({ attempt: 1, progress: 42 });
    service.publish(progress(0, 34, { attempt: 2 }));
    await settle();
    expect(watch.snapshot).toMatchObject({ attempt: 2, progress: 34, overall_progress: 34 });
    expect(watch.snapshot.stages).toMatchObject([{ stage: "stage_1", progress: 34 }]);
  });
});

describe("the amount of work of a stage", () => {
  test("is that of its latest update, over both transports", async () => {
    const work = { completed: 1200, total: 5000, unit: "rows" };
    await startLive();
    service.publish(progress(0, 24, work));
    await settle();
    expect(watch.snapshot.stages[0]?.work).toEqual({ ...work, indeterminate: false });
    service.publish(progress(0, 25));
    await settle();
    expect(watch.snapshot.stages[0]?.work).toBeNull();
  });

  test("has no total while it is indeterminate, and none after the end of the stage", async () => {
    await startLive();
    service.publish(progress(0, 0, { completed: 7, unit: "files", indeterminate: true }));
    await settle();
    const work = { completed: 7, total: null, unit: "files", indeterminate: true };
    expect(watch.snapshot.stages[0]?.work).toEqual(work);
    service.publish(stageComplete(1));
    await settle();
    expect(watch.snapshot.stages[0]?.work).toBeNull();
  });

  test("grows within one second and percent, and an older one does not replace it", async () => {
    await startLive();
    for (const completed of [10, 12, 11]) {
      service.publish(progress(0, 1, { completed, total: 10_000, unit: "rows" }));
    }
    await settle();
    expect(watch.snapshot.stages[0]?.work?.completed).toBe(12);
  });
});
