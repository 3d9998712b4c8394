/** A watch on a job with an owner token in place of the access key. */

import { expect, test, vi } from "vitest";
import { token } from "./fake-owner.js";
import { JOB, progress, stageComplete, time } from "./messages.js";
import { seqs, service, settle, start, startLive, watch } from "./watching.js";

/** Accepts tokens, and announces their end if `seconds` is given. */
function acceptTokens(seconds?: number): (string | undefined)[] {
  const tokens: (string | undefined)[] = [];
  service.answer = (socket, sent) => {
    const request = sent as { type: string; token?: string; access_key?: string };
    if (request.type === "ping") return false;
    expect(request.access_key).toBeUndefined();
    tokens.push(request.token);
    const reply = { request_id: sent.request_id, timestamp: time(0) };
    const ends = seconds && new Date(Date.now() + seconds * 1000).toISOString();
    if (request.type === "subscribe") {
      socket.isSubscribed = true;
      const { seq } = service.status;
      const status = service.status;
      const state = { job_id: JOB, seq, recovered: true, status, correlation_id: "conn_test" };
      socket.deliver({
        type: "subscribed",
        ...state,
        ...(ends && { token_expires_at: ends }),
        ...reply,
      });
      for (const message of service.log) socket.deliver(message);
    } else if (request.type === "authenticate") {
      socket.deliver({ type: "authenticated", owner: "user-7", token_expires_at: ends, ...reply });
    } else {
      socket.deliver({ type: "cancel_requested", job_id: JOB, ...reply });
    }
    return true;
  };
  return tokens;
}

test("token subscribes, resumes and cancels", async () => {
  const sent = acceptTokens();
  await startLive({ accessKey: undefined, token: "a.b.c" });
  service.publish(stageComplete(1));
  await watch.cancel();
  service.drop();
  await vi.advanceTimersByTimeAsync(5000);
  expect(watch.state).toBe("live");
  expect(seqs()).toEqual([1]);
  expect(sent).toEqual(["a.b.c", "a.b.c", "a.b.c"]);
});

test("token that has expired is replaced before a request to cancel", async () => {
  const sent = acceptTokens();
  const get = vi.fn(async () => token(60));
  await startLive({ accessKey: undefined, token: get });
  await vi.advanceTimersByTimeAsync(40_000);
  const cancelled = watch.cancel();
  await settle();
  await cancelled;
  expect(get).toHaveBeenCalledTimes(2);
  expect(new Set(sent).size).toBe(2);
});

test("function of the token that fails is called again later", async () => {
  acceptTokens();
  const get = vi.fn(async () => token(300));
  get.mockRejectedValueOnce(new Error("401"));
  start({ accessKey: undefined, token: get });
  const warnings: Error[] = [];
  watch.addEventListener("warning", ({ detail }) => warnings.push(detail));
  await vi.advanceTimersByTimeAsync(2000);
  expect(warnings[0]?.message).toContain("`token` did not return a token");
  expect(watch.state).toBe("live");
});

test("another token is sent before the announced end of the first one", async () => {
  const sent = acceptTokens(300);
  const get = vi.fn(async () => token(300));
  await startLive({ accessKey: undefined, token: get });
  service.publish(progress(0, 40));
  await vi.advanceTimersByTimeAsync(239_000);
  expect(sent).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(2000);
  expect(sent).toHaveLength(2);
  expect(service.latest.sent.map(({ type }) => type as string)).toContain("authenticate");
  service.drop();
  await vi.advanceTimersByTimeAsync(5000);
  expect(watch.state).toBe("live");
});

test("refused token ends the watch if there is no other one", async () => {
  service.answer = (socket, { request_id }) => {
    const error = { code: "invalid_token", message: "expired", request_id, timestamp: time(0) };
    socket.deliver({ type: "error", ...error });
    return true;
  };
  start({ accessKey: undefined, token: "a.b.c" });
  await settle();
  expect(watch.state).toBe("ended");
  expect(watch.error).toMatchObject({ code: "invalid_token" });
});

/** The service's notice that the token of the subscription has expired. */
const EXPIRED = {
  type: "error",
  code: "token_expired",
  message: "the token of the subscription has expired",
  request_id: "req_1_a",
  details: { job_id: JOB },
  timestamp: time(0),
};

test("subscription that ends with its token is opened again with another one", async () => {
  const sent = acceptTokens();
  const get = vi.fn(async () => token(60));
  await startLive({ accessKey: undefined, token: get });
  service.latest.deliver(EXPIRED);
  service.publish(stageComplete(1));
  await vi.advanceTimersByTimeAsync(5000);
  expect(watch.state).toBe("live");
  expect(seqs()).toEqual([1]);
  expect(sent).toHaveLength(2);
  expect(get).toHaveBeenCalledTimes(2);
});

test("subscription that ends with its only token ends the watch", async () => {
  acceptTokens();
  await startLive({ accessKey: undefined, token: "a.b.c" });
  service.latest.deliver(EXPIRED);
  await settle();
  expect(watch.state).toBe("ended");
  expect(watch.error).toMatchObject({ code: "token_expired" });
});
