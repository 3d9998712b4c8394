/** Connections that cannot be opened, and connections that are dead without a `close` event. */

import { describe, expect, test, vi } from "vitest";
import type { StagecastError } from "../../src/index.js";
import { progress, stageComplete, time } from "./messages.js";
import { MINUTE, seqs, service, settle, start, startLive, watch } from "./watching.js";

function warnings(): string[] {
  const said: string[] = [];
  watch.addEventListener("warning", ({ detail }) => said.push(detail.message));
  return said;
}

describe("a failed connection warns", () => {
  test("when the function url rejects", async () => {
    const cause = new Error("401");
    start({ url: () => Promise.reject(cause) });
    const warnings: StagecastError[] = [];
    watch.addEventListener("warning", ({ detail }) => warnings.push(detail));
    await settle();
    expect(warnings[0]).toMatchObject({
      message: expect.stringContaining("did not return a URL"),
      cause,
    });
  });

  test("with the reason that the WebSocket gives", async () => {
    service.connections = "never answered";
    start();
    const said = warnings();
    await settle();
    const error = Object.assign(new Event("error"), { message: "Unexpected server response: 403" });
    service.latest.dispatchEvent(error);
    service.latest.dispatchEvent(new Event("close"));
    expect(said).toEqual(["Unexpected server response: 403"]);
  });

  test("when the HTTP API returns an error", async () => {
    service.connections = "refused";
    const nothing = async () => Response.json({ message: "Not Found" }, { status: 404 });
    start({ httpApi: "http://elsewhere.test", fetch: nothing });
    const said = warnings();
    await vi.advanceTimersByTimeAsync(6000);
    expect(said).toContain("Not Found");
    expect(watch.state).toBe("connecting");
  });
});

describe("a dead connection without a close event", () => {
  function die(): void {
    service.answer = (socket) => socket === service.sockets[0];
  }

  test("is replaced within a minute while the job runs", async () => {
    await startLive();
    service.publish(progress(0, 10));
    die();
    await vi.advanceTimersByTimeAsync(MINUTE);
    expect(service.sockets).toHaveLength(2);
    expect(watch.state).toBe("live");
  });

  test("is not pinged early while the job is queued", async () => {
    await startLive();
    await vi.advanceTimersByTimeAsync(4 * MINUTE);
    expect(service.latest.sent.map(({ type }) => type)).toEqual(["subscribe"]);
  });

  test("does not block a request to cancel", async () => {
    await startLive();
    die();
    const cancelled = watch.cancel();
    await vi.advanceTimersByTimeAsync(25_000);
    await cancelled;
    expect(service.sockets).toHaveLength(2);
  });
});

test("failed renewal and a lost connection retry soon", async () => {
  await startLive({ httpApi: "http://service.test", fetch: service.http.fetch });
  service.connections = "refused";
  await vi.advanceTimersByTimeAsync(115 * MINUTE);
  service.connections = "accepted";
  service.sockets[0]?.lose();
  await vi.advanceTimersByTimeAsync(1000);
  expect(watch.transport).toBe("websocket");
});

test("watch closed by a frame listener leaves no timer", async () => {
  start();
  watch.addEventListener("frame", () => watch.close());
  await settle();
  expect(vi.getTimerCount()).toBe(0);
});

describe("a service that limits replays", () => {
  const RETRY_AFTER_SECONDS = 60;

  function limit(): void {
    service.answer = (socket, { type, request_id }) => {
      if (type !== "subscribe") return false;
      const details = { retry_after_seconds: RETRY_AFTER_SECONDS };
      const error = { type: "error", code: "replay_limited", message: "later", details };
      socket.deliver({ ...error, request_id, timestamp: time(0) });
      return true;
    };
  }

  const asked = () =>
    service.sockets.flatMap(({ sent }) => sent.filter(({ type }) => type === "subscribe")).length;

  test("gets the request for missing messages after the delay", async () => {
    await startLive();
    const before = asked();
    limit();
    service.publish(stageComplete(1), true);
    service.publish(stageComplete(2));
    await vi.advanceTimersByTimeAsync(1500);
    expect(asked()).toBe(before + 1);
    await vi.advanceTimersByTimeAsync((RETRY_AFTER_SECONDS - 1) * 1000);
    expect(asked()).toBe(before + 1);
    service.answer = null;
    await vi.advanceTimersByTimeAsync(2000);
    expect(asked()).toBe(before + 2);
    expect(seqs()).toEqual([1, 2]);
  });

  test("gets the next connection after the delay", async () => {
    limit();
    start();
    await settle();
    expect(asked()).toBe(1);
    service.answer = null;
    await vi.advanceTimersByTimeAsync((RETRY_AFTER_SECONDS - 1) * 1000);
    expect(asked()).toBe(1);
    await vi.advanceTimersByTimeAsync(2000);
    expect(watch.state).toBe("live");
  });
});

test("missing messages are requested over another connection", async () => {
  await startLive();
  // The service considers the message sent.
  service.answer = (socket, { type }) => type === "subscribe" && socket === service.sockets[0];
  service.publish(stageComplete(1), true);
  service.publish(stageComplete(2));
  await vi.advanceTimersByTimeAsync(MINUTE);
  expect(service.sockets.length).toBeGreaterThan(1);
  expect(seqs()).toEqual([1, 2]);
});
