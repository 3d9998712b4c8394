/** Tests the library against the functions on the local stack. */

import { readFileSync } from "node:fs";
import { expect, inject, test } from "vitest";
import { WebSocket } from "ws";
import { HttpApi, type JobKey, type JobMessage, watchJob } from "../../src/index.js";

const { http_api: httpApi, websocket: url } = inject("quick");
const api = new HttpApi(httpApi);
/** A stack whose jobs do not end before they are cancelled. */
const slow = inject("slow");
const slowApi = new HttpApi(slow.http_api);
const plan = readFileSync(new URL("../../floor-plan/sample-plan.png", import.meta.url));

async function newJob(on = api): Promise<JobKey> {
  const created = await on.createJob(plan, { contentType: "image/png" });
  expect(created.websocket_url).toBe(on === api ? url : slow.websocket);
  return { jobId: created.job_id, accessKey: created.access_key };
}

async function collect(messages: AsyncIterable<JobMessage>): Promise<JobMessage[]> {
  const collected: JobMessage[] = [];
  for await (const message of messages) collected.push(message);
  return collected;
}

function durable(messages: JobMessage[]): [number, string][] {
  return messages.flatMap(({ type, seq }) => (type === "progress_update" ? [] : [[seq, type]]));
}

const WHOLE_LOG = [
  [1, "stage_complete"],
  [2, "stage_complete"],
  [3, "job_complete"],
];

test("job is watched from its start to its rooms", async () => {
  const key = await newJob();
  const watch = watchJob({ url, ...key, WebSocket });
  const messages = await collect(watch);
  expect(durable(messages)).toEqual(WHOLE_LOG);
  expect(watch.snapshot).toMatchObject({
    status: "completed",
    overall_progress: 100,
    stages: [{ stage: "stage_1" }, { stage: "stage_2", results: { rooms: expect.any(Array) } }],
  });
  expect(await api.results(key)).toEqual(watch.snapshot.results);
});

test("two watches of one job get the same messages", async () => {
  const key = await newJob();
  const [first, second] = await Promise.all([
    collect(watchJob({ url, ...key, WebSocket })),
    collect(watchJob({ url, ...key, WebSocket })),
  ]);
  expect(durable(first)).toEqual(WHOLE_LOG);
  expect(durable(second)).toEqual(WHOLE_LOG);
});

test("breaking connections lose and duplicate nothing", async () => {
  const key = await newJob();
  const broken: WebSocket[] = [];
  class Breaking extends WebSocket {
    constructor(address: string) {
      super(address);
      broken.push(this);
      let frames = 0;
      this.on("message", () => {
        frames += 1;
        if (frames === 3) this.terminate();
      });
    }
  }
  const watch = watchJob({ url, ...key, WebSocket: Breaking });
  expect(durable(await collect(watch))).toEqual(WHOLE_LOG);
  expect(broken.length).toBeGreaterThan(1);
});

test("cancelled job ends the watch", async () => {
  let cancelling: Promise<void> | undefined;
  let last: JobMessage | undefined;
  const watch = watchJob({ url: slow.websocket, ...(await newJob(slowApi)), WebSocket });
  for await (const message of watch) {
    // After the first progress.
    if (message.type === "progress_update") cancelling ??= watch.cancel();
    last = message;
  }
  await cancelling;
  expect(last?.type).toBe("job_cancelled");
  expect(watch.snapshot.status).toBe("cancelled");
  await watch.cancel();
});

test("job can be cancelled over HTTP", async () => {
  const key = await newJob(slowApi);
  const messages = collect(watchJob({ url: slow.websocket, ...key, WebSocket }));
  await slowApi.cancel(key);
  expect((await messages).at(-1)?.type).toBe("job_cancelled");
  await expect(slowApi.cancel(key)).rejects.toMatchObject({
    code: "job_already_finished",
    status: 409,
  });
});

test("wrong key ends the watch with the service's error", async () => {
  const { jobId } = await newJob();
  const watch = watchJob({ url, jobId, accessKey: "0".repeat(32), WebSocket });
  await expect(collect(watch)).rejects.toMatchObject({
    code: "forbidden",
    message: expect.stringContaining("POST /v1/jobs"),
  });
});

test("blocked WebSockets fall back to HTTP", async () => {
  const key = await newJob();
  class Blocked extends WebSocket {
    constructor(address: string) {
      super(address.replace("/live", "/no-such-stage"));
    }
  }
  const watch = watchJob({ url, ...key, WebSocket: Blocked, httpApi: api.base });
  const messages = await collect(watch);
  expect(durable(messages)).toEqual(WHOLE_LOG);
  expect(watch.snapshot.results).toEqual(await api.results(key));
});

test("watch after the end gets the whole log", async () => {
  const key = await newJob();
  await collect(watchJob({ url, ...key, WebSocket }));
  const messages = await collect(watchJob({ url, ...key, WebSocket }));
  expect(durable(messages)).toEqual(WHOLE_LOG);
});

test("rejected requests have a message", async () => {
  const text = new Blob(["not an image"], { type: "text/plain" });
  await expect(api.createJob(text)).rejects.toMatchObject({
    name: "StagecastError",
    code: expect.any(String),
    requestId: expect.any(String),
  });
});
