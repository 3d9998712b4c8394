import { describe, expect, test, vi } from "vitest";
import type { JobMessage, StagecastError } from "../../src/index.js";
import { FakeSocket } from "./fake-service.js";
import { jobComplete, jobFailed, KEY, progress, snapshot, stageComplete } from "./messages.js";
import {
  failing,
  MINUTE,
  received,
  seqs,
  service,
  settle,
  start,
  startLive,
  states,
  watch,
} from "./watching.js";

describe("a job from start to end", () => {
  test("messages update the snapshot and the end stops the watch", async () => {
    await startLive();
    expect(watch.snapshot).toMatchObject({ status: "queued", message: "Waiting" });

    service.publish(progress(0, 40));
    expect(watch.snapshot).toMatchObject({ status: "running", stage: "stage_1", progress: 40 });
    expect(watch.snapshot.stages).toMatchObject([{ stage: "stage_1", status: "running" }]);

    service.publish(stageComplete(1));
    service.publish(progress(1, 10));
    service.publish(jobComplete(2));

    expect(received.map(({ type }) => type)).toEqual([
      "progress_update",
      "stage_complete",
      "progress_update",
      "job_complete",
    ]);
    expect(watch.snapshot).toMatchObject({
      status: "completed",
      overall_progress: 100,
      results: { done: true },
      stages: [
        { stage: "stage_1", status: "completed", results: { from: 1 } },
        { stage: "stage_2", status: "completed" },
      ],
    });
    expect(states).toEqual(["connecting", "live", "ended"]);
    expect(watch.error).toBeNull();
    expect(service.open).toHaveLength(0);
  });

  test("reviver converts numbers before they reach the snapshot", async () => {
    await startLive({ reviver: (key, value) => (key === "from" ? `${value}` : value) });
    service.publish(stageComplete(1));
    expect(watch.snapshot.stages).toMatchObject([{ results: { from: "1" } }]);
  });

  test("listener of a message sees it in the snapshot", async () => {
    await startLive();
    const seen: number[] = [];
    watch.addEventListener("message", () => seen.push(watch.snapshot.seq));
    service.publish(stageComplete(1));
    service.publish(jobFailed(2));
    expect(seen).toEqual([1, 2]);
    expect(watch.snapshot.error?.code).toBe("no_walls");
    expect(watch.snapshot.stages.at(-1)).toMatchObject({ stage: "stage_2", status: "failed" });
  });

  test("ended job is delivered from its log", async () => {
    service.publish(stageComplete(1));
    service.publish(jobComplete(2));
    start();
    await settle();
    expect(seqs()).toEqual([1, 2]);
    expect(watch.state).toBe("ended");
  });

  test("afterSeq skips known messages, even all of them", async () => {
    service.publish(stageComplete(1));
    service.publish(jobComplete(2));
    start({ afterSeq: 2 });
    await settle();
    expect(service.latest.sent[0]).toMatchObject({ after_seq: 2 });
    expect(seqs()).toEqual([2]);
    expect(watch.state).toBe("ended");
  });

  test("messages of another job are ignored", async () => {
    await startLive();
    service.latest.deliver({ ...jobComplete(1), job_id: "job_20260101_ffffffffffffffff" });
    expect(watch.state).toBe("live");
  });
});

describe("losing the connection", () => {
  test("reconnects and resumes after the last seq without loss", async () => {
    await startLive();
    service.publish(stageComplete(1));
    service.drop();
    expect(watch.state).toBe("resuming");
    expect(watch.retryAt).not.toBeNull();
    service.publish(stageComplete(2));
    await vi.advanceTimersByTimeAsync(500);
    expect(watch.state).toBe("live");
    expect(watch.retryAt).toBeNull();
    expect(service.latest.sent[0]).toMatchObject({ type: "subscribe", after_seq: 1 });
    service.publish(jobComplete(3));
    expect(seqs()).toEqual([1, 2, 3]);
  });

  test("backoff doubles up to 30 seconds", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0.999999);
    service.connections = "refused";
    start();
    const waits: number[] = [];
    watch.addEventListener("state", () => {
      if (watch.retryAt !== null) waits.push(watch.retryAt - Date.now());
    });
    await vi.advanceTimersByTimeAsync(4 * MINUTE);
    expect(waits.slice(0, 9)).toEqual([500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
  });

  test("full jitter allows an immediate attempt", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0);
    await startLive();
    service.drop();
    await settle();
    expect(watch.state).toBe("live");
  });

  test("connections that drop at once keep the backoff", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0.999999);
    await startLive();
    for (let round = 0; round < 5; round += 1) {
      service.drop();
      await vi.advanceTimersToNextTimerAsync();
      await settle();
    }
    service.drop();
    expect((watch.retryAt ?? 0) - Date.now()).toBe(16_000);
  });

  test("stable connection resets the backoff", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0.999999);
    service.connections = "refused";
    start();
    await vi.advanceTimersByTimeAsync(10_000);
    service.connections = "accepted";
    await vi.advanceTimersByTimeAsync(30_000);
    expect(watch.state).toBe("live");
    service.drop();
    expect((watch.retryAt ?? 0) - Date.now()).toBe(500);
  });

  test("subscription without a reply is retried over another connection", async () => {
    service.answer = () => true;
    start();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(service.sockets[0]?.readyState).toBe(3);
    service.answer = null;
    await vi.advanceTimersByTimeAsync(1000);
    expect(watch.state).toBe("live");
  });

  test("function url is called for each connection", async () => {
    let asked = 0;
    await startLive({
      url: async () => {
        asked += 1;
        return `ws://service.test/live?token=${asked}`;
      },
    });
    service.drop();
    await vi.advanceTimersByTimeAsync(500);
    expect(service.sockets.map(({ url }) => url.at(-1))).toEqual(["1", "2"]);
  });

  test("rejected url function is retried", async () => {
    let asked = 0;
    start({
      url: () => {
        asked += 1;
        if (asked === 1) throw new Error("no token");
        return "ws://service.test/live";
      },
    });
    await vi.advanceTimersByTimeAsync(500);
    expect(watch.state).toBe("live");
  });

  test("any error of the url function is retried", async () => {
    const problems = [
      new DOMException("the token took too long", "TimeoutError"),
      new SyntaxError("the response is not JSON"),
    ];
    start({
      url: async () => {
        const problem = problems.shift();
        if (problem) throw problem;
        return "ws://service.test/live";
      },
    });
    await vi.advanceTimersByTimeAsync(2000);
    expect(watch.state).toBe("live");
    expect(problems).toEqual([]);
  });

  test("invalid URL ends the watch", async () => {
    start({ WebSocket: globalThis.WebSocket ?? failing, url: "not an address" });
    await settle();
    expect(states).toEqual(["connecting", "ended"]);
    expect(watch.error).toBeInstanceOf(Error);
  });
});

describe("gaps", () => {
  test("gap shown by progress is requested after a delay", async () => {
    await startLive();
    service.publish(stageComplete(1), true);
    service.publish(progress(1, 10));
    expect(received).toEqual([]);
    await vi.advanceTimersByTimeAsync(1500);
    expect(received.map(({ type }) => type)).toEqual(["stage_complete", "progress_update"]);
    expect(service.sockets).toHaveLength(1);
    expect(service.latest.sent.map(({ type }) => type)).toEqual(["subscribe", "subscribe"]);
  });

  test("late message is not requested", async () => {
    await startLive();
    service.publish(progress(1, 10));
    service.publish(stageComplete(1));
    await vi.advanceTimersByTimeAsync(MINUTE / 2);
    expect(service.latest.sent).toHaveLength(1);
  });

  test("snapshot replaces an expired log", async () => {
    await startLive();
    for (const seq of [1, 2]) service.publish(stageComplete(seq), true);
    service.forgottenUpTo = 2;
    service.publish(progress(2, 10));
    await vi.advanceTimersByTimeAsync(1500);
    expect(received).toMatchObject([{ type: "progress_update", seq: 2 }]);
    service.publish(jobComplete(3));
    expect(seqs()).toEqual([3]);
  });
});

describe("a connection that is lost while the next URL is awaited", () => {
  test("leaves one connection, and none once the watch is closed", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0.5);
    const addresses: (() => void)[] = [];
    let asked = 0;
    await startLive({
      url: () => {
        asked += 1;
        if (asked === 1) return "ws://service.test/live";
        return new Promise((resolve) => addresses.push(() => resolve("ws://service.test/live")));
      },
    });
    await vi.advanceTimersByTimeAsync(110 * MINUTE);
    service.drop();
    // The URL arrives; the connection is slow.
    service.connections = "never answered";
    addresses.shift()?.();
    await settle();
    service.connections = "accepted";
    await vi.advanceTimersByTimeAsync(1000);
    addresses.shift()?.();
    await settle();
    watch.close();
    expect(service.sockets.filter(({ readyState }) => readyState !== FakeSocket.CLOSED)).toEqual(
      [],
    );
  });
});

describe("invalid frames", () => {
  test("frame without a type instead of a reply reconnects", async () => {
    service.answer = (socket) => {
      service.answer = null;
      const message = "Internal server error";
      socket.deliver({ message, connectionId: "abc=", requestId: "def=" });
      return true;
    };
    start();
    const warnings: StagecastError[] = [];
    watch.addEventListener("warning", ({ detail }) => warnings.push(detail));
    await vi.advanceTimersByTimeAsync(500);
    expect(watch.state).toBe("live");
    expect(service.sockets).toHaveLength(2);
    expect(warnings).toMatchObject([{ message: "Internal server error", requestId: "def=" }]);
  });

  test("frames without a type or JSON do not disturb a live watch", async () => {
    await startLive();
    service.latest.deliver({ message: "Forbidden", connectionId: "abc=", requestId: "def=" });
    for (const text of ["", "null", "[1]", "{", '"text"', '{"type":"news"}']) {
      service.latest.deliverText(text);
    }
    service.publish(jobComplete(1));
    expect(seqs()).toEqual([1]);
    expect(service.sockets).toHaveLength(1);
  });

  test("wrong key ends the watch with an error", async () => {
    start({ accessKey: "f".repeat(32) });
    await settle();
    expect(watch.state).toBe("ended");
    expect(watch.error).toMatchObject({ name: "StagecastError", code: "forbidden" });
    await vi.advanceTimersByTimeAsync(MINUTE);
    expect(service.sockets).toHaveLength(1);
  });

  test("internal error is retried", async () => {
    service.answer = (socket, { request_id }) => {
      service.answer = null;
      const timestamp = "2026-01-01T00:00:00Z";
      socket.deliver({ type: "error", code: "internal", message: "sorry", request_id, timestamp });
      return true;
    };
    start();
    await vi.advanceTimersByTimeAsync(500);
    expect(watch.state).toBe("live");
    expect(service.open).toHaveLength(1);
  });
});

describe("closing", () => {
  /** Closes the watch in an event of this type; returns the events after that. */
  function closeIn(type: "state" | "message"): string[] {
    const after: string[] = [];
    watch.addEventListener(type, () => {
      if (watch.state === "live") watch.close();
      for (const each of ["message", "change", "warning", "frame"]) {
        watch.addEventListener(each, () => after.push(each));
      }
    });
    return after;
  }

  test("in the state event stops all other events", async () => {
    service.publish(progress(0, 40));
    start();
    const after = closeIn("state");
    await settle();
    expect(states).toEqual(["connecting", "live", "ended"]);
    expect(after).toEqual([]);
    expect(watch.snapshot.status).toBe("queued");
  });

  test("in the state event over HTTP stops all other events", async () => {
    vi.stubGlobal("WebSocket", undefined);
    service.publish(progress(0, 40));
    start({
      WebSocket: undefined,
      httpApi: "http://service.test",
      fetch: service.http.fetch,
    });
    const after = closeIn("state");
    await settle();
    expect(watch.state).toBe("ended");
    expect(after).toEqual([]);
    expect(watch.snapshot.status).toBe("queued");
  });

  test("in the warning prevents polling", async () => {
    start({ WebSocket: failing, httpApi: "http://service.test", fetch: service.http.fetch });
    watch.addEventListener("warning", () => watch.close());
    await settle();
    expect(watch.state).toBe("ended");
    expect(service.http.requests).toEqual([]);
  });

  test("in a message event drops the messages after it", async () => {
    await startLive();
    const reader = watch[Symbol.asyncIterator]();
    const after = closeIn("message");
    service.publish(stageComplete(2));
    service.publish(stageComplete(1));
    expect(seqs()).toEqual([1]);
    expect(after).toEqual([]);
    expect((await reader.next()).value).toEqual(stageComplete(1));
    expect(await reader.next()).toEqual({ done: true, value: undefined });
  });
});

describe("iterating", () => {
  async function collect(into: JobMessage[]): Promise<void> {
    for await (const message of watch) into.push(message);
  }

  test("yields every message and ends with the job", async () => {
    await startLive();
    const read: JobMessage[] = [];
    const done = collect(read);
    service.publish(stageComplete(1));
    await settle();
    service.publish(jobComplete(2));
    await done;
    expect(read.map(({ type }) => type)).toEqual(["stage_complete", "job_complete"]);
  });

  test("late starts with the messages so far", async () => {
    await startLive();
    for (const percent of [10, 20]) service.publish(progress(0, percent));
    service.publish(stageComplete(1));
    for (const percent of [10, 20]) service.publish(progress(1, percent));
    const read: JobMessage[] = [];
    const done = collect(read);
    await settle();
    expect(read).toEqual([stageComplete(1), progress(1, 20)]);
    service.publish(jobComplete(2));
    await done;
    const again: JobMessage[] = [];
    await collect(again);
    expect(again).toEqual([stageComplete(1), jobComplete(2)]);
  });

  test("slowly skips only outdated progress", async () => {
    await startLive();
    const reader = watch[Symbol.asyncIterator]();
    for (const percent of [10, 20, 30]) service.publish(progress(0, percent));
    service.publish(stageComplete(1));
    expect((await reader.next()).value).toEqual(progress(0, 30));
    expect((await reader.next()).value).toEqual(stageComplete(1));
  });

  test("leaving the loop ends the watch", async () => {
    await startLive();
    service.publish(progress(0, 10));
    for await (const message of watch) {
      expect(message.type).toBe("progress_update");
      break;
    }
    expect(watch.state).toBe("ended");
    expect(service.open).toHaveLength(0);
  });

  test("aborted watch throws the signal's reason", async () => {
    const aborter = new AbortController();
    await startLive({ signal: aborter.signal });
    const done = collect([]);
    aborter.abort(new Error("enough"));
    await expect(done).rejects.toThrow("enough");
    expect(watch.state).toBe("ended");
    expect(watch.error).toMatchObject({ message: "enough" });
    expect(service.open).toHaveLength(0);
  });

  test("watch aborted before its start sends nothing", async () => {
    start({ signal: AbortSignal.abort() });
    await settle();
    expect(watch.state).toBe("ended");
    expect(service.sockets).toHaveLength(0);
  });

  test("rejected watch throws its error", async () => {
    start({ accessKey: "f".repeat(32) });
    const done = collect([]);
    await Promise.all([expect(done).rejects.toMatchObject({ code: "forbidden" }), settle()]);
  });
});

describe("frames", () => {
  test("are emitted without access keys", async () => {
    start();
    const frames: string[] = [];
    watch.addEventListener("frame", ({ detail }) => frames.push(JSON.stringify(detail)));
    await settle();
    expect(frames).toHaveLength(2);
    expect(frames.join()).not.toContain(KEY);
  });
});

describe("in a page", () => {
  test("online and visibility events reconnect or ping", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0.999999);
    const page = new EventTarget();
    const shown = Object.assign(new EventTarget(), { visibilityState: "visible" });
    vi.stubGlobal("window", page);
    vi.stubGlobal("document", shown);
    await startLive();
    service.connections = "refused";
    service.drop();
    await vi.advanceTimersByTimeAsync(20_000);
    service.connections = "accepted";
    page.dispatchEvent(new Event("online"));
    await settle();
    expect(watch.state).toBe("live");
    shown.dispatchEvent(new Event("visibilitychange"));
    expect(service.latest.sent.at(-1)?.type).toBe("ping");
    await settle();
  });
});

test("snapshot without a stage keeps the known state", async () => {
  service.status = snapshot(0, { stage: null });
  await startLive();
  expect(received).toEqual([]);
});
