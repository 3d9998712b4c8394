/** Connections over minutes and hours. */

import { describe, expect, test, vi } from "vitest";
import { jobComplete, progress, stageComplete } from "./messages.js";
import { MINUTE, received, seqs, service, settle, startLive, states, watch } from "./watching.js";

describe("long-lived connections", () => {
  test("idle connection is kept open by pings", async () => {
    await startLive();
    await vi.advanceTimersByTimeAsync(30 * MINUTE);
    expect(service.sockets).toHaveLength(1);
    const pings = service.latest.sent.filter(({ type }) => type === "ping");
    expect(pings).toHaveLength(6);
  });

  test("connection without a pong is replaced", async () => {
    await startLive();
    service.answer = (_, { type }) => type === "ping";
    await vi.advanceTimersByTimeAsync(5 * MINUTE + 10_000);
    expect(watch.state).toBe("resuming");
    await vi.advanceTimersByTimeAsync(1000);
    expect(watch.state).toBe("live");
    expect(service.open).toHaveLength(1);
  });

  test("connection is renewed before the limit while the watch stays live", async () => {
    await startLive();
    service.publish(stageComplete(1));
    await vi.advanceTimersByTimeAsync(115 * MINUTE);
    expect(service.sockets).toHaveLength(2);
    expect(service.open).toEqual([service.sockets[1]]);
    expect(service.latest.sent[0]).toMatchObject({ type: "subscribe", after_seq: 1 });
    expect(states).toEqual(["connecting", "live"]);
    await vi.advanceTimersByTimeAsync(24 * 60 * MINUTE);
    expect(service.sockets.length).toBeGreaterThanOrEqual(14);
    expect(states).toEqual(["connecting", "live"]);
  });

  test("message over both connections is delivered once", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0);
    await startLive();
    // The reply to the new connection's subscription is late, while the old connection continues.
    const late: (() => void)[] = [];
    service.answer = (socket, { type, ...sent }) => {
      if (socket === service.sockets[0] || type !== "subscribe") return false;
      socket.isSubscribed = true;
      late.push(() => {
        service.answer = null;
        service.receive(socket, { type, ...sent } as never);
      });
      return true;
    };
    await vi.advanceTimersByTimeAsync(110 * MINUTE);
    expect(service.open).toHaveLength(2);
    service.publish(progress(0, 10));
    service.publish(stageComplete(1));
    service.publish(progress(1, 20));
    late.shift()?.();
    await settle();
    expect(service.open).toHaveLength(1);
    service.publish(progress(1, 30));
    service.publish(jobComplete(2));
    expect(seqs()).toEqual([1, 2]);
    expect(received.filter(({ type }) => type === "progress_update")).toHaveLength(3);
    expect(states).toEqual(["connecting", "live", "ended"]);
  });

  test("failed renewal keeps the connection and is retried", async () => {
    await startLive();
    service.connections = "refused";
    await vi.advanceTimersByTimeAsync(110 * MINUTE);
    expect(watch.state).toBe("live");
    service.publish(stageComplete(1));
    expect(seqs()).toEqual([1]);
    service.connections = "accepted";
    await vi.advanceTimersByTimeAsync(MINUTE);
    expect(service.open).toEqual([service.latest]);
    expect(states).toEqual(["connecting", "live"]);
  });
});
