/** A watch on a fake service, created for each test. */

import { afterEach, beforeEach, expect, vi } from "vitest";
import type { JobMessage, JobWatch, WatchOptions } from "../../src/index.js";
import { watchJob } from "../../src/index.js";
import { FakeService } from "./fake-service.js";
import { JOB, KEY } from "./messages.js";

export const MINUTE = 60_000;
export let service: FakeService;
export let watch: JobWatch;
export let received: JobMessage[];
export let states: string[];

beforeEach(() => {
  vi.useFakeTimers();
  service = new FakeService();
});

afterEach(() => {
  watch?.close();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

export function start(more: Partial<WatchOptions> = {}): void {
  watch = watchJob({
    url: "ws://service.test/live",
    jobId: JOB,
    accessKey: KEY,
    WebSocket: service.WebSocket,
    ...more,
  });
  received = [];
  states = [watch.state];
  watch.addEventListener("message", ({ detail }) => received.push(detail));
  watch.addEventListener("state", ({ detail }) => {
    if (states.at(-1) !== detail) states.push(detail);
  });
}

export async function startLive(more: Partial<WatchOptions> = {}): Promise<void> {
  start(more);
  await settle();
  expect(watch.state).toBe("live");
}

/** Runs all pending promises and timers without a delay. */
export async function settle(): Promise<void> {
  for (let round = 0; round < 5; round += 1) await vi.advanceTimersByTimeAsync(0);
}

export function seqs(): number[] {
  return received.flatMap((message) => (message.type === "progress_update" ? [] : [message.seq]));
}

/** Throws like browsers and Node do for an invalid URL. */
export const failing = class {
  constructor() {
    throw new DOMException("invalid address", "SyntaxError");
  }
} as never;
