import { afterEach, beforeEach, expect, test, vi } from "vitest";
import {
  HttpApi,
  UploadControl,
  type UploadOptions,
  type UploadProgress,
} from "../../src/index.js";
import { JOB, KEY } from "./messages.js";

const key = { jobId: JOB, accessKey: KEY };
const PART = 4;

beforeEach(() => {
  vi.useFakeTimers({ shouldAdvanceTime: true, advanceTimeDelta: 500 });
  // No delay between attempts.
  vi.spyOn(Math, "random").mockReturnValue(0);
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** A service whose inputs have parts of four bytes, and that lists at most three of them. */
class FakeStorage {
  stored = new Map<number, string>();
  status = "awaiting_input";
  requests: string[] = [];
  described: unknown = null;
  /** Replaces the answer to a PUT of a part. */
  onPut: (part: number, attempt: number) => Response | Promise<Response> | null = () => null;
  /** Replaces the answer of the HTTP API. */
  onApi: (method: string, attempt: number) => Response | null = () => null;
  #attempts = new Map<string, number>();
  #generation = 0;

  constructor(readonly size: number) {}

  api = new HttpApi("http://service.test", {
    fetch: async (input, init = {}) => {
      init.signal?.throwIfAborted();
      const { method = "GET" } = init;
      const { pathname, searchParams } = new URL(String(input));
      this.requests.push(`${method} ${pathname}`);
      if (method === "PUT") return this.#put(pathname, searchParams, init);
      const attempt = this.#count(method);
      const replaced = this.onApi(method, attempt);
      if (replaced) return replaced;
      if (pathname === "/v1/jobs") {
        this.described = JSON.parse(String(init.body));
        return Response.json({ job_id: JOB, access_key: KEY, upload: this.#upload() });
      }
      if (method === "POST") {
        if (this.#missing().length > 0) return problem(409, "upload_incomplete");
        this.status = "queued";
      }
      const upload = this.status === "queued" ? {} : { upload: this.#upload() };
      return Response.json({ job_id: JOB, status: this.status, ...upload });
    },
  });

  get content(): string {
    const parts = [...this.stored].sort(([one], [other]) => one - other);
    return parts.map(([, text]) => text).join("");
  }

  #count(name: string): number {
    const attempt = (this.#attempts.get(name) ?? 0) + 1;
    this.#attempts.set(name, attempt);
    return attempt;
  }

  async #put(path: string, query: URLSearchParams, init: RequestInit): Promise<Response> {
    const part = Number(path.slice(1));
    const replaced = await this.onPut(part, this.#count(path));
    init.signal?.throwIfAborted();
    if (replaced) return replaced;
    expect(new Headers(init.headers).get("x-signed")).toBe("yes");
    if (Number(query.get("generation")) < this.#generation)
      return new Response("", { status: 403 });
    this.stored.set(part, await (init.body as Blob).text());
    return new Response("");
  }

  /** Invalidates the URLs that were returned before. */
  expireUrls(): void {
    this.#generation += 1;
  }

  #missing() {
    const count = Math.ceil(this.size / PART);
    const numbers = Array.from({ length: count }, (_, index) => index + 1);
    return numbers.filter((number) => !this.stored.has(number));
  }

  #upload() {
    const missing = this.#missing();
    const listed = missing.slice(0, 3);
    return {
      size: this.size,
      part_size: PART,
      part_count: Math.ceil(this.size / PART),
      parts: listed.map((part) => ({
        part,
        offset: (part - 1) * PART,
        size: Math.min(PART, this.size - (part - 1) * PART),
        url: `http://storage.test/${part}?generation=${this.#generation}`,
        headers: { "x-signed": "yes", "content-length": "4" },
      })),
      ...(missing.length > 3 && { next_after_part: listed.at(-1) }),
      urls_expire_at: "2026-01-01T01:00:00Z",
      expires_at: "2026-01-02T00:00:00Z",
    };
  }
}

function problem(status: number, code: string): Response {
  return Response.json({ error: { code, message: code } }, { status });
}

const TEXT = "abcdefghijklmnopqr";

function create(storage: FakeStorage, options: UploadOptions & { onCreated?: () => void } = {}) {
  const input = new Blob([TEXT], { type: "text/plain" });
  return storage.api.createJob(input, { maxBodyBytes: 5, labels: { team: "maps" }, ...options });
}

test("large input is described, uploaded in parts and completed", async () => {
  const storage = new FakeStorage(TEXT.length);
  const progress: UploadProgress[] = [];
  const onCreated = vi.fn();
  const created = await create(storage, { onProgress: (it) => progress.push(it), onCreated });
  expect(created.job_id).toBe(JOB);
  expect(onCreated).toHaveBeenCalledOnce();
  expect(storage.described).toEqual({
    labels: { team: "maps" },
    input: { content_type: "text/plain", size: TEXT.length },
  });
  expect(storage.content).toBe(TEXT);
  expect(storage.status).toBe("queued");
  const sent = progress.map(({ sentBytes }) => sentBytes);
  expect(sent).toEqual([...sent].sort((one, other) => one - other));
  expect(progress.at(-1)).toEqual({ sentBytes: TEXT.length, totalBytes: TEXT.length });
});

test("small input without a description is the body", async () => {
  const bodies: unknown[] = [];
  const api = new HttpApi("http://service.test", {
    fetch: async (_, init) => {
      bodies.push(init?.body);
      return Response.json({ job_id: JOB, access_key: KEY });
    },
  });
  const input = new Blob(["x"]);
  await api.createJob(input);
  expect(bodies).toEqual([input]);
});

test("description has the options of the job and no undefined field", async () => {
  const storage = new FakeStorage(TEXT.length);
  const options = {
    limits: { run_seconds: 3600 },
    run_at: "2027-01-15T02:00:00Z",
    retention_days: 2,
    webhook: { events: ["job_complete"] },
    queue: "transcripts",
    priority: 0,
    parameters: undefined,
  };
  const input = new Blob([TEXT], { type: "text/plain" });
  await storage.api.createJob(input, options);
  const { parameters, ...described } = options;
  expect(storage.described).toEqual({
    ...described,
    input: { content_type: "text/plain", size: TEXT.length },
  });
});

test("queue and priority of a job with a body are in its address", async () => {
  const addresses: unknown[] = [];
  const api = new HttpApi("http://service.test", {
    fetch: async (address) => {
      addresses.push(address);
      return Response.json({ job_id: JOB, access_key: KEY });
    },
  });
  await api.createJob(new Blob(["x"]), { queue: "transcripts", priority: 0 });
  await api.createJob(new Blob(["x"]), { queue: undefined });
  expect(addresses).toEqual([
    "http://service.test/v1/jobs?queue=transcripts&priority=0",
    "http://service.test/v1/jobs",
  ]);
});

test("parts are repeated after failures that may pass", async () => {
  const storage = new FakeStorage(TEXT.length);
  storage.onPut = (part, attempt) => {
    if (part === 2 && attempt === 1) return new Response("", { status: 503 });
    if (part === 3 && attempt === 1) return Promise.reject(new TypeError("connection lost"));
    return null;
  };
  storage.onApi = (method, attempt) =>
    method === "GET" && attempt === 1 ? problem(500, "internal") : null;
  await create(storage);
  expect(storage.content).toBe(TEXT);
});

test("expired URLs are replaced", async () => {
  const storage = new FakeStorage(TEXT.length);
  storage.onPut = (part, attempt) => {
    if (part === 2 && attempt === 1) storage.expireUrls();
    return null;
  };
  await create(storage, { concurrency: 1 });
  expect(storage.content).toBe(TEXT);
});

test("part that is already there counts as sent", async () => {
  const storage = new FakeStorage(TEXT.length);
  storage.onPut = (part, attempt) => {
    if (part !== 1 || attempt !== 1) return null;
    storage.stored.set(1, TEXT.slice(0, PART));
    return new Response("", { status: 412 });
  };
  await create(storage);
  expect(storage.content).toBe(TEXT);
});

test("interrupted upload resumes with the same input", async () => {
  const storage = new FakeStorage(TEXT.length);
  const abort = new AbortController();
  storage.onPut = (part) => {
    if (part === 3) abort.abort();
    return null;
  };
  await expect(create(storage, { signal: abort.signal, concurrency: 1 })).rejects.toThrow();
  expect(storage.content).toBe(TEXT.slice(0, 2 * PART));
  storage.onPut = () => null;
  const before = storage.requests.length;
  const state = await storage.api.uploadInput(key, new Blob([TEXT]));
  expect(state.status).toBe("queued");
  expect(storage.content).toBe(TEXT);
  const puts = storage.requests.slice(before).filter((it) => it.startsWith("PUT"));
  expect(puts.sort()).toEqual(["PUT /3", "PUT /4", "PUT /5"]);
  await expect(storage.api.uploadInput(key, new Blob([TEXT]))).resolves.toMatchObject({
    status: "queued",
  });
});

test("input of another size is refused before anything is sent", async () => {
  const storage = new FakeStorage(TEXT.length);
  await expect(storage.api.uploadInput(key, new Blob(["other"]))).rejects.toMatchObject({
    code: "wrong_input",
  });
  expect(storage.requests).toEqual([`GET /v1/jobs/${JOB}/upload`]);
});

test("paused upload sends nothing until it is resumed", async () => {
  const storage = new FakeStorage(TEXT.length);
  const control = new UploadControl();
  let paused: (() => void) | undefined;
  const whenPaused = new Promise<void>((resolve) => {
    paused = resolve;
  });
  storage.onPut = (part, attempt) => {
    if (part === 2 && attempt === 1) {
      control.pause();
      paused?.();
    }
    return null;
  };
  const creating = create(storage, { control, concurrency: 1 });
  await whenPaused;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(storage.status).toBe("awaiting_input");
  expect(storage.stored.has(2)).toBe(false);
  control.resume();
  await creating;
  expect(storage.content).toBe(TEXT);
});

test("refusal of the storage ends the upload with its code", async () => {
  const storage = new FakeStorage(TEXT.length);
  storage.onPut = () => new Response("<Error><Code>BadDigest</Code></Error>", { status: 400 });
  await expect(create(storage)).rejects.toMatchObject({ code: "BadDigest", status: 400 });
});

test("service that stays down ends the upload", async () => {
  const storage = new FakeStorage(TEXT.length);
  storage.onPut = () => new Response("", { status: 503 });
  const failing = expect(create(storage)).rejects.toMatchObject({ status: 503 });
  await vi.advanceTimersByTimeAsync(10 * 60_000);
  await failing;
});

test("missing parts at the completion are sent", async () => {
  const storage = new FakeStorage(TEXT.length);
  storage.onApi = (method, attempt) => {
    // The first POST creates the job.
    if (method === "POST" && attempt === 2) storage.stored.delete(2);
    return null;
  };
  await create(storage);
  expect(storage.content).toBe(TEXT);
  expect(storage.status).toBe("queued");
});
