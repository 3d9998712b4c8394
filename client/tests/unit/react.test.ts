// @vitest-environment happy-dom
import { act, createElement, StrictMode } from "react";
import { createRoot, type Root } from "react-dom/client";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { WatchJobsOptions, WatchOptions } from "../../src/index.js";
import { type Job, type Jobs, useJob, useJobs } from "../../src/react.js";
import { FakeOwner, OWNER } from "./fake-owner.js";
import { FakeService } from "./fake-service.js";
import { JOB, jobComplete, KEY, progress } from "./messages.js";

let service: FakeService;
let root: Root;
let shown: Job;
/** The rendered states in order. */
let rendered: (Job & { jobId: string | undefined })[];

beforeEach(() => {
  vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", true);
  service = new FakeService();
  root = createRoot(document.body);
  rendered = [];
});

afterEach(async () => {
  await act(async () => root.unmount());
  vi.unstubAllGlobals();
});

function options(more: Partial<WatchOptions> = {}): WatchOptions {
  const { WebSocket } = service;
  return { url: "ws://service.test/live", jobId: JOB, accessKey: KEY, WebSocket, ...more };
}

function Shown({ watched }: { watched: WatchOptions | null }) {
  shown = useJob(watched);
  rendered.push({ ...shown, jobId: watched?.jobId });
  return shown.snapshot ? `${shown.snapshot.overall_progress} %` : "none";
}

async function render(watched: WatchOptions | null): Promise<void> {
  await act(async () => root.render(createElement(Shown, { watched })));
}

test("component renders each change of a job and its end", async () => {
  await render(options());
  expect(shown.state).toBe("live");
  await act(async () => service.publish(progress(0, 40)));
  expect(document.body.textContent).toBe("40 %");
  await act(async () => service.publish(jobComplete(1)));
  expect(document.body.textContent).toBe("100 %");
  expect(shown.state).toBe("ended");
});

test("snapshot is null before the first message", async () => {
  service.connections = "never answered";
  await render(options());
  expect(shown.state).toBe("connecting");
  expect(shown.snapshot).toBeNull();
  expect(document.body.textContent).toBe("none");
});

test("queued job stays known while the connection is lost", async () => {
  service.status = { ...service.status, message: "" };
  await render(options());
  expect(shown.snapshot?.status).toBe("queued");
  service.connections = "never answered";
  await act(async () => service.drop());
  expect(shown.state).toBe("resuming");
  expect(shown.snapshot?.status).toBe("queued");
});

test("rendering again with the same job keeps the connection", async () => {
  await render(options());
  await render(options());
  await act(async () => service.publish(progress(0, 40)));
  await render(options({ url: new URL("ws://service.test/live") }));
  expect(service.sockets).toHaveLength(1);
});

test("another job replaces the watch, null ends it", async () => {
  await render(options());
  await render(options({ jobId: "job_20260101_ffffffffffffffff" }));
  expect(service.open).toHaveLength(1);
  expect(service.latest.sent[0]).toMatchObject({ job_id: "job_20260101_ffffffffffffffff" });
  await render(null);
  expect(service.open).toHaveLength(0);
  expect(document.body.textContent).toBe("none");
});

test("state of the first job is never rendered for the second", async () => {
  const second = "job_20260101_ffffffffffffffff";
  await render(options());
  await act(async () => service.publish(progress(0, 40)));
  const before = rendered.length;
  await render(options({ jobId: second }));
  expect(rendered[before]).toMatchObject({ jobId: second, snapshot: null, state: "connecting" });
  await act(async () => service.publish({ ...progress(0, 60), job_id: second }));
  const shownOf = (jobId: string) => rendered.filter((each) => each.jobId === jobId);
  expect(shownOf(second).map(({ snapshot }) => snapshot?.job_id ?? second)).not.toContain(JOB);
  // The first job again is a new watch without the old state.
  const between = rendered.length;
  await render(options());
  expect(rendered[between]).toMatchObject({ jobId: JOB, snapshot: null });
});

test("unmounting ends the watch", async () => {
  await render(options());
  await act(async () => root.render(null));
  expect(service.open).toHaveLength(0);
});

test("strict mode leaves one connection", async () => {
  const element = createElement(Shown, { watched: options() });
  await act(async () => root.render(createElement(StrictMode, null, element)));
  expect(service.open).toHaveLength(1);
});

test("cancel is stable and cancels the job", async () => {
  await render(null);
  const { cancel } = shown;
  await render(options());
  expect(shown.cancel).toBe(cancel);
  await act(() => cancel());
  expect(shown.snapshot?.cancel_requested).toBe(true);
});

test("cancel rejects without a job and after unmounting", async () => {
  await render(null);
  const { cancel } = shown;
  await expect(cancel()).rejects.toMatchObject({ name: "StagecastError" });
  service.connections = "never answered";
  await render(options());
  const cancelled = expect(cancel()).rejects.toMatchObject({ name: "StagecastError" });
  await act(async () => root.render(null));
  await cancelled;
  await expect(cancel()).rejects.toMatchObject({ name: "StagecastError" });
});

let listed: Jobs;

function List({ watched }: { watched: WatchJobsOptions | null }) {
  listed = useJobs(watched);
  return listed.jobs?.map(({ job_id, status }) => `${job_id} ${status}`).join(", ") ?? "none";
}

async function renderList(watched: WatchJobsOptions | null): Promise<void> {
  await act(async () => root.render(createElement(List, { watched })));
}

test("component renders the jobs of an owner, and those that are created later", async () => {
  const owned = new FakeOwner();
  const first = owned.create();
  const options = (): WatchJobsOptions => ({
    url: "ws://service.test/live",
    httpApi: "http://service.test",
    owner: OWNER,
    // Another function in every render.
    token: async () => "a.b.c",
    WebSocket: owned.WebSocket,
    fetch: owned.fetch,
  });
  await renderList(options());
  await vi.waitFor(() => expect(listed.state).toBe("live"));
  expect(document.body.textContent).toBe("job_0 queued");
  await act(async () => owned.commit(first, true));
  await act(async () => owned.create());
  await renderList(options());
  expect(document.body.textContent).toBe("job_1 queued, job_0 completed");
  expect(owned.sockets).toHaveLength(1);

  await renderList(null);
  expect(document.body.textContent).toBe("none");
  expect(owned.open).toHaveLength(0);
});
