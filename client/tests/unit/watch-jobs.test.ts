import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { JobMessage, JobsWatch, WatchJobsOptions } from "../../src/index.js";
import { watchJobs } from "../../src/index.js";
import { FakeOwner, OWNER, token } from "./fake-owner.js";

const MINUTE = 60_000;
let service: FakeOwner;
let watch: JobsWatch;
let received: JobMessage[];

beforeEach(() => {
  vi.useFakeTimers();
  service = new FakeOwner();
});

afterEach(async () => {
  watch?.close();
  await settle();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
  vi.restoreAllMocks();
});

function start(more: Partial<WatchJobsOptions> = {}): void {
  watch = watchJobs({
    url: "ws://service.test/live",
    owner: OWNER,
    token: "a.b.c",
    httpApi: "http://service.test",
    WebSocket: service.WebSocket,
    fetch: service.fetch,
    ...more,
  });
  received = [];
  watch.addEventListener("message", ({ detail }) => received.push(detail));
}

async function startLive(more: Partial<WatchJobsOptions> = {}): Promise<void> {
  start(more);
  await settle();
  expect(watch.state).toBe("live");
}

async function settle(): Promise<void> {
  for (let round = 0; round < 10; round += 1) await vi.advanceTimersByTimeAsync(0);
}

/** What differs between the watch and the service. */
function expectSame(): void {
  const of = ({ job_id, status, seq, overall_progress }: (typeof watch.jobs)[number]) => ({
    job_id,
    status,
    seq,
    overall_progress,
  });
  const states = service.jobs.map(({ status }) => of(status as never)).reverse();
  expect(watch.jobs.map(of)).toEqual(states);
}

/** The durable messages of a job that were delivered, in order. */
function seqs(jobId: string): number[] {
  return received.flatMap((message) =>
    message.job_id === jobId && message.type !== "progress_update" ? [message.seq] : [],
  );
}

describe("the list", () => {
  test("has the jobs of the owner, newest first, and follows their messages", async () => {
    const [first, second] = [service.create(), service.create()];
    await startLive();
    expect(watch.transport).toBe("websocket");
    service.report(second, 40);
    service.commit(first, true);
    expect(watch.jobs.map(({ job_id }) => job_id)).toEqual([second, first]);
    expect(watch.jobs).toMatchObject([
      { status: "running", overall_progress: 40 },
      { status: "completed", results: { done: true } },
    ]);
    expectSame();
  });

  test("gets jobs that are created later, with all their messages", async () => {
    await startLive();
    expect(watch.isKnown).toBe(true);
    expect(watch.jobs).toEqual([]);
    const job = service.create();
    service.commit(job);
    service.commit(job, true);
    await settle();
    expect(seqs(job)).toEqual([1, 2]);
    expectSame();
    // The feed has everything, so no log is read.
    expect(service.asked).toEqual(["list"]);
  });

  test("begins after the state of jobs that exist, without reading their logs", async () => {
    const jobs = [service.create(), service.create(), service.create()];
    for (const job of jobs) service.commit(job);
    service.commit(jobs[0] ?? "", true);
    await startLive();
    expect(received).toEqual([]);
    service.commit(jobs[1] ?? "");
    expect(seqs(jobs[1] ?? "")).toEqual([2]);
    expect(service.asked).toEqual(["list"]);
    expectSame();
  });

  test("lists pages until it has `limit` jobs, and adds an older job by its message", async () => {
    service.pageSize = 2;
    const oldest = service.create();
    for (let number = 1; number < 7; number += 1) service.create();
    await startLive({ limit: 4 });
    expect(service.asked).toEqual(["list", "list 2"]);
    expect(watch.jobs).toHaveLength(4);
    service.commit(oldest);
    await settle();
    expect(seqs(oldest)).toEqual([1]);
    expect(watch.jobs.at(-1)).toMatchObject({
      job_id: oldest,
      seq: 1,
      created_at: expect.any(String),
    });
  });

  test("applies what is committed while it is read", async () => {
    const job = service.create();
    service.commit(job);
    let isCommitted = false;
    service.beforeList = () => {
      if (isCommitted) return;
      isCommitted = true;
      service.commit(job);
      service.create();
    };
    await startLive();
    service.commit(job, true);
    await settle();
    expectSame();
    expect(seqs(job)).toEqual([3]);
  });

  test("is yielded by an iteration after each change, and ends with the watch", async () => {
    service.create();
    start();
    const sizes: number[] = [];
    const reading = (async () => {
      for await (const jobs of watch) {
        sizes.push(jobs.length);
        if (jobs.length === 2) break;
      }
    })();
    await settle();
    service.create();
    await settle();
    await reading;
    expect(sizes).toEqual([1, 2]);
    expect(watch.state).toBe("ended");
    expect(service.open).toHaveLength(0);
  });
});

describe("after a lost connection", () => {
  test("every job has the same state as in the service, and each message arrives once", async () => {
    const jobs = [service.create(), service.create()];
    const [ended, running] = jobs as [string, string];
    service.commit(ended, true);
    await startLive();
    service.commit(running);

    service.drop();
    expect(watch.state).toBe("resuming");
    service.commit(running);
    const created = service.create(100);
    service.commit(created);
    const short = service.create(101);
    service.commit(short, true);
    await vi.advanceTimersByTimeAsync(5000);

    expect(watch.state).toBe("live");
    expectSame();
    expect(seqs(running)).toEqual([1, 2]);
    expect(seqs(created)).toEqual([1]);
    expect(seqs(short)).toEqual([1]);
    expect(seqs(ended)).toEqual([]);
  });

  test("ended jobs are not read again", async () => {
    service.pageSize = 10;
    const old = service.create(0);
    for (let number = 1; number < 200; number += 1) {
      service.commit(service.create(number * 100), true);
    }
    await startLive({ limit: 1000 });
    expect(service.asked).toHaveLength(20);
    service.asked.length = 0;

    service.drop();
    service.commit(old);
    await vi.advanceTimersByTimeAsync(5000);

    // One page, because its last job was created long before the list, and the only open job.
    expect(service.asked).toEqual(["list", `${old} after 0`]);
    expectSame();
  });

  test("jobs of a creation that was under way at the first list are found", async () => {
    service.pageSize = 1;
    service.create(100);
    await startLive();
    service.drop();
    // Created in the seconds before the newest known job, but stored after the list was read.
    const late = service.create(98, true);
    service.jobs.sort((a, b) => (a.status.created_at < b.status.created_at ? -1 : 1));
    await vi.advanceTimersByTimeAsync(5000);
    expect(watch.jobs.map(({ job_id }) => job_id)).toContain(late);
  });

  test("a gap is repaired from the log of the job", async () => {
    const job = service.create();
    await startLive();
    service.commit(job, false, true);
    service.commit(job);
    expect(seqs(job)).toEqual([]);
    await vi.advanceTimersByTimeAsync(1500);
    expect(seqs(job)).toEqual([1, 2]);
    expect(service.asked).toEqual(["list", `${job} after 0`]);
  });

  test("message of an unknown job leads to its whole log", async () => {
    await startLive();
    const job = service.create(0, true);
    service.commit(job, false, true);
    service.commit(job);
    await settle();
    expect(seqs(job)).toEqual([1, 2]);
    expectSame();
  });

  test("any schedule of losses, drops and creations leads to the same states", async () => {
    // A fixed generator, so that a failure can be repeated.
    let seed = 42;
    const chance = (of: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
      return seed % of;
    };
    await startLive({ limit: 5 });
    for (let step = 0; step < 400; step += 1) {
      const open = service.jobs.filter(({ status }) => status.status !== "completed");
      const job = open[chance(Math.max(open.length, 1))]?.status.job_id;
      const isLost = chance(4) === 0;
      const what = chance(10);
      if (what < 2 || job === undefined) service.create(step, isLost);
      else if (what < 6) service.commit(job, chance(4) === 0, isLost);
      else if (what < 8) service.report(job, chance(100));
      else if (what === 8) service.drop();
      service.isReachable = chance(20) > 0;
      await vi.advanceTimersByTimeAsync(chance(3000));
    }
    service.isReachable = true;
    await vi.advanceTimersByTimeAsync(MINUTE);
    service.drop();
    await vi.advanceTimersByTimeAsync(MINUTE);
    expectSame();
    for (const { status, log } of service.jobs) {
      expect(seqs(status.job_id)).toEqual(log.map(({ seq }) => seq));
    }
  });

  test("a job that is kept no longer leaves the list", async () => {
    service.create();
    await startLive();
    service.drop();
    service.jobs.length = 0;
    await vi.advanceTimersByTimeAsync(5000);
    expect(watch.jobs).toEqual([]);
    expect(watch.state).toBe("live");
  });
});

describe("where WebSockets are blocked", () => {
  test("the list is read every ten seconds", async () => {
    service.connections = "refused";
    const job = service.create();
    start();
    await vi.advanceTimersByTimeAsync(6000);
    expect(watch.state).toBe("live");
    expect(watch.transport).toBe("http");
    service.commit(job);
    service.commit(job, true);
    const later = service.create();
    await vi.advanceTimersByTimeAsync(11_000);
    expectSame();
    expect(seqs(job)).toEqual([1, 2]);
    service.connections = "accepted";
    await vi.advanceTimersByTimeAsync(MINUTE);
    expect(watch.transport).toBe("websocket");
    const asked = service.asked.length;
    service.commit(later);
    await vi.advanceTimersByTimeAsync(MINUTE);
    expect(service.asked).toHaveLength(asked);
    expectSame();
  });

  test("an unreachable service is asked again until it answers", async () => {
    service.create();
    service.isReachable = false;
    start();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(watch.state).toBe("connecting");
    expect(watch.isKnown).toBe(false);
    service.isReachable = true;
    await vi.advanceTimersByTimeAsync(MINUTE);
    expect(watch.state).toBe("live");
    expectSame();
  });
});

describe("the token", () => {
  test("is got again before it expires, and sent to the connection", async () => {
    service.tokenExpiresAt = new Date(Date.now() + 300_000).toISOString();
    const get = vi.fn(async () => token(300));
    await startLive({ token: get });
    const before = get.mock.calls.length;
    await vi.advanceTimersByTimeAsync(239_000);
    expect(get.mock.calls.length).toBe(before);
    await vi.advanceTimersByTimeAsync(2000);
    expect(get.mock.calls.length).toBe(before + 1);
    const sent = service.latest.sent.map(({ type }) => type as string);
    expect(sent).toContain("authenticate");
    await vi.advanceTimersByTimeAsync(240_000);
    expect(get.mock.calls.length).toBe(before + 2);
    expect(service.sockets).toHaveLength(1);
  });

  test("that is refused is replaced by another one of the function", async () => {
    service.refusal = "invalid_token";
    const get = vi.fn(() => token(300));
    start({ token: get });
    await settle();
    service.refusal = null;
    await vi.advanceTimersByTimeAsync(5000);
    expect(watch.state).toBe("live");
    expect(get.mock.calls.length).toBeGreaterThan(1);
  });

  test.each([
    ["invalid_token", "a string"],
    ["token_forbidden", "a function"],
    ["invalid_token", "a function"],
  ])("that is always refused with %s ends the watch: %s", async (code, kind) => {
    service.refusal = code;
    start({ token: kind === "a string" ? "a.b.c" : () => token(300) });
    await vi.advanceTimersByTimeAsync(MINUTE);
    expect(watch.state).toBe("ended");
    expect(watch.error).toMatchObject({ code });
    await expect(watch[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code });
  });

  test("does not appear in frames", async () => {
    start({ token: "secret.secret.secret" });
    const frames: object[] = [];
    watch.addEventListener("frame", ({ detail }) => frames.push(detail.frame));
    await settle();
    expect(frames).not.toHaveLength(0);
    expect(JSON.stringify(frames)).not.toContain("secret");
  });
});
