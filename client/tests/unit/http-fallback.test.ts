import { describe, expect, test, vi } from "vitest";
import type { StagecastError } from "../../src/index.js";
import { JOB, jobCancelled, jobComplete, progress, stageComplete } from "./messages.js";
import {
  failing,
  MINUTE,
  received,
  seqs,
  service,
  settle,
  start,
  startLive,
  watch,
} from "./watching.js";

describe("where WebSockets are blocked", () => {
  function startBlocked(connections: "refused" | "never answered"): void {
    service.connections = connections;
    start({ httpApi: "http://service.test", fetch: service.http.fetch });
  }

  test.each(["refused", "never answered"] as const)(
    "connections that are %s fall back to HTTP",
    async (connections) => {
      service.publish(progress(0, 40));
      startBlocked(connections);
      await vi.advanceTimersByTimeAsync(6000);
      expect(watch.state).toBe("live");
      expect(watch.transport).toBe("http");
      expect(received).toMatchObject([{ type: "progress_update", progress: 40 }]);
      service.publish(progress(0, 60));
      service.publish(jobComplete(1));
      await vi.advanceTimersByTimeAsync(2000);
      expect(received.at(-1)).toMatchObject({ type: "job_complete", results: { done: true } });
      expect(watch.state).toBe("ended");
    },
  );

  test("a later connection replaces polling and replays the log", async () => {
    service.publish(stageComplete(1));
    startBlocked("refused");
    await vi.advanceTimersByTimeAsync(6000);
    expect(watch.transport).toBe("http");
    service.connections = "accepted";
    await vi.advanceTimersByTimeAsync(MINUTE);
    expect(watch.transport).toBe("websocket");
    expect(seqs()).toEqual([1]);
    const asked = service.http.requests.length;
    await vi.advanceTimersByTimeAsync(MINUTE);
    expect(service.http.requests).toHaveLength(asked);
  });

  test("every durable message arrives over HTTP once and in order", async () => {
    for (const seq of [1, 2]) service.publish(stageComplete(seq));
    service.publish(progress(2, 60));
    startBlocked("refused");
    await vi.advanceTimersByTimeAsync(6000);
    expect(watch.transport).toBe("http");
    expect(seqs()).toEqual([1, 2]);
    expect(received.at(-1)).toMatchObject({ type: "progress_update", progress: 60 });
    expect(watch.snapshot).toMatchObject({ stage: "stage_3", progress: 60, seq: 2 });
    expect(watch.snapshot.stages).toMatchObject([
      { stage: "stage_1", status: "completed", results: { from: 1 } },
      { stage: "stage_2", status: "completed", results: { from: 2 } },
      { stage: "stage_3", status: "running" },
    ]);
    for (const seq of [3, 4]) service.publish(stageComplete(seq));
    await vi.advanceTimersByTimeAsync(3000);
    service.publish(jobComplete(5));
    await vi.advanceTimersByTimeAsync(3000);
    expect(seqs()).toEqual([1, 2, 3, 4, 5]);
    expect(watch.state).toBe("ended");
    expect(service.http.after).toEqual(service.http.after.toSorted());
  });

  test("pages of a long log are requested without a wait", async () => {
    service.http.pageSize = 2;
    for (let seq = 1; seq <= 5; seq += 1) service.publish(stageComplete(seq));
    service.publish(jobComplete(6));
    start({ WebSocket: failing, httpApi: "http://service.test", fetch: service.http.fetch });
    await vi.advanceTimersByTimeAsync(100);
    expect(seqs()).toEqual([1, 2, 3, 4, 5, 6]);
    expect(service.http.after).toEqual([0, 2, 4]);
    expect(watch.state).toBe("ended");
  });

  test("page without a message is not requested in a loop", async () => {
    service.http.pageSize = 0;
    service.publish(stageComplete(1));
    start({ WebSocket: failing, httpApi: "http://service.test", fetch: service.http.fetch });
    await vi.advanceTimersByTimeAsync(5000);
    expect(service.http.after.length).toBeLessThanOrEqual(6);
    service.http.pageSize = 100;
    await vi.advanceTimersByTimeAsync(2000);
    expect(seqs()).toEqual([1]);
  });

  test("transports that take turns deliver each durable message once", async () => {
    startBlocked("refused");
    const overHttp: number[] = [];
    const overWebSocket: number[] = [];
    for (let seq = 1; seq <= 12; seq += 1) {
      service.connections = seq % 4 < 2 ? "refused" : "accepted";
      if (service.connections === "refused") service.drop();
      // Some messages are published before the change of the transport, others after it.
      if (seq % 3 === 0) await vi.advanceTimersByTimeAsync(MINUTE);
      service.publish(stageComplete(seq), seq % 5 === 0);
      await vi.advanceTimersByTimeAsync(MINUTE);
      (watch.transport === "http" ? overHttp : overWebSocket).push(seq);
      expect(seqs()).toHaveLength(seq);
    }
    service.publish(jobComplete(13));
    await vi.advanceTimersByTimeAsync(MINUTE);
    expect(seqs()).toEqual(Array.from({ length: 13 }, (_, index) => index + 1));
    expect([overHttp.length, overWebSocket.length]).toEqual([6, 6]);
    // Each request resumes after the last message over either transport.
    expect(Math.max(...service.http.after)).toBeGreaterThanOrEqual(11);
    const resumed = service.sockets
      .flatMap(({ sent }) => sent)
      .filter(({ type }) => type === "subscribe");
    expect(resumed.at(-1)).toMatchObject({ after_seq: expect.any(Number) });
  });

  test("snapshot replaces messages that the log has lost", async () => {
    for (const seq of [1, 2, 3]) service.publish(stageComplete(seq));
    service.publish(progress(3, 60));
    service.forgottenUpTo = 3;
    startBlocked("refused");
    await vi.advanceTimersByTimeAsync(6000);
    expect(seqs()).toEqual([]);
    expect(received).toMatchObject([{ type: "progress_update", progress: 60 }]);
    service.publish(stageComplete(4));
    await vi.advanceTimersByTimeAsync(3000);
    expect(seqs()).toEqual([4]);
    service.publish(jobComplete(5));
    service.forgottenUpTo = 5;
    await vi.advanceTimersByTimeAsync(3000);
    expect(received.at(-1)).toMatchObject({ type: "job_complete", seq: 5 });
  });

  test.each([
    [0, 1000],
    [7, 7000],
    [600, 60_000],
  ])("interval of %d seconds is kept within bounds", async (retryAfter, wait) => {
    service.http.retryAfter = retryAfter;
    service.publish(progress(0, 40));
    start({ WebSocket: failing, httpApi: "http://service.test", fetch: service.http.fetch });
    await settle();
    expect(service.http.requests).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(wait - 1);
    expect(service.http.requests).toHaveLength(1);
    // The jitter adds up to a tenth.
    await vi.advanceTimersByTimeAsync(wait / 10 + 1);
    expect(service.http.requests).toHaveLength(2);
  });

  test("accepted cancellation is followed by a request for its effect", async () => {
    service.http.retryAfter = 30;
    service.publish(progress(0, 40));
    start({ WebSocket: failing, httpApi: "http://service.test", fetch: service.http.fetch });
    await settle();
    // The service shortens the interval once the cancellation is requested.
    service.http.retryAfter = 1;
    const asked = service.http.requests.length;
    await watch.cancel();
    await settle();
    expect(service.http.requests).toHaveLength(asked + 2);
    service.publish(jobCancelled(1));
    await vi.advanceTimersByTimeAsync(1100);
    expect(received.at(-1)).toMatchObject({ type: "job_cancelled" });
  });

  test("older service without the route ends a watch that has no WebSocket", async () => {
    vi.stubGlobal("WebSocket", undefined);
    service.http.hasEvents = false;
    start({ WebSocket: undefined, httpApi: "http://service.test", fetch: service.http.fetch });
    await settle();
    expect(watch.state).toBe("ended");
    expect(watch.error).toMatchObject({ status: 404, code: null });
  });

  test("older service without the route is reached again over WebSockets", async () => {
    service.http.hasEvents = false;
    service.publish(stageComplete(1));
    const warnings: StagecastError[] = [];
    startBlocked("refused");
    watch.addEventListener("warning", ({ detail }) => warnings.push(detail));
    await vi.advanceTimersByTimeAsync(6000);
    expect(watch.state).toBe("connecting");
    expect(warnings.at(-1)).toMatchObject({ status: 404 });
    service.connections = "accepted";
    await vi.advanceTimersByTimeAsync(MINUTE);
    expect(watch.transport).toBe("websocket");
    expect(seqs()).toEqual([1]);
  });

  test("failing WebSocket constructor warns once and falls back to HTTP", async () => {
    service.publish(progress(0, 40));
    start({ WebSocket: failing, httpApi: "http://service.test", fetch: service.http.fetch });
    const warnings: StagecastError[] = [];
    watch.addEventListener("warning", ({ detail }) => warnings.push(detail));
    await settle();
    expect(watch.transport).toBe("http");
    expect(received).toMatchObject([{ type: "progress_update", progress: 40 }]);
    await vi.advanceTimersByTimeAsync(MINUTE);
    expect(watch.state).toBe("live");
    expect(watch.retryAt).toBeNull();
    expect(warnings).toMatchObject([{ name: "StagecastError", message: "invalid address" }]);
    const cancelled = watch.cancel();
    await settle();
    await cancelled;
    expect(service.http.requests).toContain(`DELETE /v1/jobs/${JOB}`);
  });

  test("failed renewal starts polling only after the connection ends", async () => {
    let made = 0;
    const { WebSocket } = service;
    const once = class extends WebSocket {
      constructor(url: string) {
        made += 1;
        if (made > 1) throw new DOMException("invalid address", "SyntaxError");
        super(url);
      }
    };
    await startLive({
      WebSocket: once,
      httpApi: "http://service.test",
      fetch: service.http.fetch,
    });
    await vi.advanceTimersByTimeAsync(115 * MINUTE);
    expect(made).toBe(2);
    expect(watch.transport).toBe("websocket");
    expect(service.http.requests).toEqual([]);
    service.drop();
    await vi.advanceTimersByTimeAsync(500);
    expect(watch.transport).toBe("http");
  });

  test("polling works without AbortSignal.any and ends", async () => {
    vi.stubGlobal("AbortSignal", class {});
    service.publish(progress(0, 40));
    let given: AbortSignal | null | undefined;
    const fetch = async (url: string | URL | Request, request?: RequestInit) => {
      given = request?.signal;
      if (service.http.reachable) return service.http.fetch(url, request);
      return new Promise<Response>((_, reject) => {
        given?.addEventListener("abort", () => reject(given?.reason));
      });
    };
    service.connections = "refused";
    start({ httpApi: "http://service.test", fetch });
    await vi.advanceTimersByTimeAsync(6000);
    expect(watch.transport).toBe("http");
    service.http.reachable = false;
    await vi.advanceTimersByTimeAsync(9000);
    expect(watch.state).toBe("live");
    await vi.advanceTimersByTimeAsync(4000);
    expect(watch.state).toBe("resuming");
    service.http.reachable = true;
    await vi.advanceTimersByTimeAsync(15_000);
    expect(watch.transport).toBe("http");
    // A pending request is aborted at the end of the watch.
    service.http.reachable = false;
    await vi.advanceTimersByTimeAsync(3000);
    watch.close();
    expect(given?.aborted).toBe(true);
  });

  test("without WebSocket and HTTP the watch keeps resuming", async () => {
    service.publish(progress(0, 40));
    startBlocked("refused");
    await vi.advanceTimersByTimeAsync(6000);
    service.http.reachable = false;
    await vi.advanceTimersByTimeAsync(5000);
    expect(watch.state).toBe("resuming");
    service.http.reachable = true;
    await vi.advanceTimersByTimeAsync(30_000);
    expect(watch.state).toBe("live");
  });

  test("rejected handshake gets its reason from the HTTP API", async () => {
    service.connections = "refused";
    start({
      accessKey: "f".repeat(32),
      httpApi: "http://service.test",
      fetch: service.http.fetch,
    });
    await vi.advanceTimersByTimeAsync(6000);
    expect(watch.state).toBe("ended");
    expect(watch.error).toMatchObject({ code: "forbidden", status: 403 });
  });

  test("without a WebSocket constructor only HTTP is used", async () => {
    vi.stubGlobal("WebSocket", undefined);
    service.publish(progress(0, 40));
    start({
      WebSocket: undefined,
      httpApi: "http://service.test",
      fetch: service.http.fetch,
    });
    await settle();
    expect(watch.transport).toBe("http");
  });

  test("error without WebSocket and HTTP names the options", () => {
    vi.stubGlobal("WebSocket", undefined);
    expect(() => start({ WebSocket: undefined })).toThrow(/pass one .*'ws'.* or `httpApi`/);
  });
});
