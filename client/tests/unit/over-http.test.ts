import { describe, expect, test, vi } from "vitest";
import type { StagecastError } from "../../src/index.js";
import { JOB, jobComplete, progress, stageComplete } from "./messages.js";
import {
  failing,
  heard,
  MINUTE,
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
    "when connections are %s, the job is asked for over HTTP",
    async (connections) => {
      service.publish(progress(0, 40));
      startBlocked(connections);
      await vi.advanceTimersByTimeAsync(6000);
      expect(watch.state).toBe("live");
      expect(watch.transport).toBe("http");
      expect(heard).toMatchObject([{ type: "progress_update", progress: 40 }]);
      service.publish(progress(0, 60));
      service.publish(jobComplete(1));
      await vi.advanceTimersByTimeAsync(2000);
      expect(heard.at(-1)).toMatchObject({ type: "job_complete", results: { done: true } });
      expect(watch.state).toBe("ended");
    },
  );

  test("a connection that can be made after all takes over, with all of the log", async () => {
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

  test("the log that follows does not set back what has been seen over HTTP", async () => {
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

  test("when a WebSocket cannot even be made, that is said once and HTTP is used", async () => {
    service.publish(progress(0, 40));
    start({ WebSocket: failing, httpApi: "http://service.test", fetch: service.http.fetch });
    const warnings: StagecastError[] = [];
    watch.addEventListener("warning", ({ detail }) => warnings.push(detail));
    await settle();
    expect(watch.transport).toBe("http");
    expect(heard).toMatchObject([{ type: "progress_update", progress: 40 }]);
    await vi.advanceTimersByTimeAsync(MINUTE);
    expect(watch.state).toBe("live");
    expect(watch.retryAt).toBeNull();
    expect(warnings).toMatchObject([{ name: "StagecastError", message: "invalid address" }]);
    const cancelled = watch.cancel();
    await settle();
    await cancelled;
    expect(service.http.requests).toContain(`DELETE /v1/jobs/${JOB}`);
  });

  test("when the next connection cannot be made, HTTP waits for the end of the one before", async () => {
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

  test("a browser that cannot combine signals asks over HTTP too, and not for ever", async () => {
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
    // A request that goes on when the watch ends is given up.
    service.http.reachable = false;
    await vi.advanceTimersByTimeAsync(3000);
    watch.close();
    expect(given?.aborted).toBe(true);
  });

  test("without either, the watch says that it resumes, and goes on trying", async () => {
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

  test("a refused handshake says not why; the HTTP API does", async () => {
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

  test("where there is no WebSocket at all, HTTP is all that is used", async () => {
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

  test("with neither WebSocket nor HTTP, it is said what to pass", () => {
    vi.stubGlobal("WebSocket", undefined);
    expect(() => start({ WebSocket: undefined })).toThrow(/pass one .*'ws'.* or `httpApi`/);
  });
});
