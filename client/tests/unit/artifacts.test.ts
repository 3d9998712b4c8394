/** The artifacts in a watch's snapshot. */

import { expect, test } from "vitest";
import type { Artifact } from "../../src/index.js";
import { jobComplete, progress, stageComplete } from "./messages.js";
import { service, settle, start, watch } from "./watching.js";

function artifact(name: string, size = 3): Artifact {
  return { name, content_type: "text/plain", size, sha256: "0a".repeat(32) };
}

function names(): [string, number][] {
  return watch.snapshot.artifacts.map(({ name, size }) => [name, size]);
}

test("artifacts of finished stages are collected, and a later one replaces", async () => {
  start();
  await settle();
  expect(names()).toEqual([]);
  service.publish({ ...stageComplete(1), artifacts: [artifact("a"), artifact("b")] } as never);
  service.publish(stageComplete(2));
  service.publish({ ...stageComplete(3), artifacts: [artifact("a", 4)] } as never);
  expect(names()).toEqual([
    ["a", 4],
    ["b", 3],
  ]);
  service.publish({ ...jobComplete(4), artifacts: [artifact("a", 4)] } as never);
  expect(names()).toEqual([["a", 4]]);
});

test("artifacts of a running stage come with the snapshot", async () => {
  service.publish(progress(0, 50));
  service.status = { ...service.status, artifacts: [artifact("a")] };
  start();
  await settle();
  expect(names()).toEqual([["a", 3]]);
  const { artifacts } = watch.snapshot;
  service.publish(progress(0, 60));
  expect(watch.snapshot.artifacts).toBe(artifacts);
});

test("a replayed message does not bring back what the snapshot has replaced", async () => {
  service.publish({ ...stageComplete(1), artifacts: [artifact("a")] } as never);
  service.publish(progress(1, 50));
  service.status = { ...service.status, artifacts: [artifact("a", 4)] };
  start();
  await settle();
  expect(names()).toEqual([["a", 4]]);
  service.publish({ ...stageComplete(2), artifacts: [artifact("a", 5)] } as never);
  expect(names()).toEqual([["a", 5]]);
});
