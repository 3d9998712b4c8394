import { describe, expect, test, vi } from "vitest";
import { JOB, jobComplete } from "./messages.js";
import { MINUTE, service, settle, start, startLive, watch } from "./watching.js";

describe("cancelling", () => {
  test("is sent over the connection and resolves when accepted", async () => {
    await startLive();
    const cancelled = watch.cancel();
    expect(watch.cancel()).toBe(cancelled);
    await settle();
    await cancelled;
    expect(watch.snapshot.cancel_requested).toBe(true);
    expect(service.latest.sent.map(({ type }) => type)).toEqual(["subscribe", "cancel_job"]);
  });

  test("is sent over HTTP without a connection", async () => {
    service.connections = "refused";
    start({ httpApi: "http://service.test/", fetch: service.http.fetch });
    await settle();
    await watch.cancel();
    expect(service.http.requests).toContain(`DELETE /v1/jobs/${JOB}`);
  });

  test("waits for a connection if there is no HTTP API", async () => {
    start();
    const cancelled = watch.cancel();
    await settle();
    await cancelled;
    expect(service.latest.sent.map(({ type }) => type)).toEqual(["subscribe", "cancel_job"]);
  });

  test("is repeated when the connection was lost before the reply", async () => {
    await startLive();
    service.answer = (_, { type }) => type === "cancel_job";
    const cancelled = watch.cancel();
    await settle();
    service.drop();
    service.answer = null;
    await vi.advanceTimersByTimeAsync(500);
    await cancelled;
  });

  test.each([
    ["job_already_finished", "resolves because the job has ended"],
    ["forbidden", "rejects"],
  ])("answered with %s, %s", async (code, what) => {
    await startLive();
    service.answer = (socket, { type, request_id }) => {
      if (type !== "cancel_job") return false;
      const timestamp = "2026-01-01T00:00:00Z";
      socket.deliver({ type: "error", code, message: "no", request_id, timestamp });
      return true;
    };
    const outcome = watch.cancel().then(
      () => "resolves because the job has ended",
      () => "rejects",
    );
    await settle();
    expect(await outcome).toBe(what);
    expect(watch.state).toBe("live");
  });

  /** The replies of a failing service to `cancel_job`. */
  const troubles: [string, object][] = [
    ["an internal error", { type: "error", code: "internal", message: "sorry" }],
    ["a frame without a type", { message: "Internal server error", connectionId: "abc=" }],
    ["no reply", { type: "pong" }],
  ];

  /** Answers this many requests to cancel with a failure. */
  function trouble(answer: object, times: number): void {
    let left = times;
    service.answer = (socket, { type, request_id }) => {
      if (type !== "cancel_job" || left === 0) return false;
      left -= 1;
      const timestamp = "2026-01-01T00:00:00Z";
      socket.deliver("type" in answer ? { ...answer, request_id, timestamp } : answer);
      return true;
    };
  }

  test.each(troubles)("answered with %s, is repeated", async (_, answer) => {
    await startLive();
    trouble(answer, 2);
    const cancelled = watch.cancel();
    await vi.advanceTimersByTimeAsync(30_000);
    await cancelled;
    expect(watch.snapshot.cancel_requested).toBe(true);
    expect(service.sockets).toHaveLength(1);
  });

  test.each(troubles)("answered with %s every time, rejects in the end", async (_, answer) => {
    await startLive();
    trouble(answer, Infinity);
    const rejected = expect(watch.cancel()).rejects.toMatchObject({ name: "StagecastError" });
    await vi.advanceTimersByTimeAsync(2 * MINUTE);
    await rejected;
    expect(watch.state).toBe("live");
    // The request can be repeated.
    service.answer = null;
    const cancelled = watch.cancel();
    await settle();
    await cancelled;
  });

  test("is repeated over HTTP after an internal error", async () => {
    service.connections = "refused";
    let refusals = 2;
    const fetch = async (url: string | URL | Request, request?: RequestInit) => {
      if (request?.method !== "DELETE" || refusals === 0) return service.http.fetch(url, request);
      refusals -= 1;
      return Response.json({ message: "Service Unavailable" }, { status: 503 });
    };
    start({ httpApi: "http://service.test", fetch });
    const cancelled = watch.cancel();
    await vi.advanceTimersByTimeAsync(10_000);
    await cancelled;
    expect(refusals).toBe(0);
  });

  test("resolves when the job ends first", async () => {
    await startLive();
    service.answer = () => true;
    const cancelled = watch.cancel();
    service.publish(jobComplete(1));
    await cancelled;
    await watch.cancel();
  });

  test("rejects when the watch is closed before the reply", async () => {
    service.connections = "never answered";
    start();
    const cancelled = watch.cancel();
    watch.close();
    await expect(cancelled).rejects.toMatchObject({ name: "StagecastError" });
    await expect(watch.cancel()).rejects.toMatchObject({ name: "StagecastError" });
  });

  test("rejects with the reason of the end of the watch", async () => {
    service.connections = "never answered";
    const aborter = new AbortController();
    start({ signal: aborter.signal });
    const cancelled = watch.cancel();
    aborter.abort(new Error("enough"));
    await expect(cancelled).rejects.toThrow("enough");
    await expect(watch.cancel()).rejects.toThrow("enough");
  });

  test("rejects when the watch is rejected", async () => {
    start({ accessKey: "f".repeat(32) });
    const cancelled = watch.cancel();
    await Promise.all([expect(cancelled).rejects.toMatchObject({ code: "forbidden" }), settle()]);
    await expect(watch.cancel()).rejects.toMatchObject({ code: "forbidden" });
  });
});
