import { describe, expect, test, vi } from "vitest";
import type { StagecastError } from "../../src/index.js";
import { JOB, jobComplete, progress, stageComplete } from "./messages.js";
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

  test("replayed log does not set back a polled snapshot", async () => {
    for (const seq of [1, 2]) service.publish(stageComplete(seq));
    service.publish(progress(2, 60));
    startBlocked("refused");
    await vi.advanceTimersByTimeAsync(6000);
    const overHttp = watch.snapshot;
    expect(overHttp).toMatchObject({ stage: "stage_3", progress: 60 });
    service.connections = "accepted";
    const seen: unknown[] = [];
    watch.addEventListener("change", ({ detail }) => seen.push([detail.stage, detail.progress]));
    await vi.advanceTimersByTimeAsync(MINUTE);
    expect(watch.transport).toBe("websocket");
    expect(seqs()).toEqual([1, 2]);
    expect(seen).toEqual([
      ["stage_3", 60],
      ["stage_3", 60],
    ]);
    expect(watch.snapshot).toEqual({
      ...overHttp,
      stages: [
        expect.objectContaining({ stage: "stage_1", status: "completed", results: { from: 1 } }),
        expect.objectContaining({ stage: "stage_2", status: "completed", results: { from: 2 } }),
        ...overHttp.stages,
      ],
    });
    service.publish(stageComplete(3));
    expect(watch.snapshot).toMatchObject({ stage: "stage_3", progress: 100, seq: 3 });
    expect(watch.snapshot.stages.map(({ stage }) => stage)).toEqual([
      "stage_1",
      "stage_2",
      "stage_3",
    ]);
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
