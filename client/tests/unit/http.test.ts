import { expect, test } from "vitest";
import { HttpApi, type Reviver } from "../../src/index.js";
import { JOB, KEY } from "./messages.js";

const key = { jobId: JOB, accessKey: KEY };

function answering(body: string): HttpApi {
  return new HttpApi("http://service.test/", { fetch: async () => new Response(body) });
}

test("results can be null", async () => {
  await expect(answering("null").results(key)).resolves.toBeNull();
});

test("createJob requests an external worker in the query", async () => {
  const asked: string[] = [];
  const api = new HttpApi("http://service.test", {
    fetch: async (url) => {
      asked.push(String(url));
      return Response.json({ job_id: JOB, access_key: KEY, worker_key: "9c1e" }, { status: 202 });
    },
  });
  const created = await api.createJob(new Blob(["x"]), { worker: "external" });
  expect(created.worker_key).toBe("9c1e");
  await api.createJob(new Blob(["x"]));
  expect(asked).toEqual([
    "http://service.test/v1/jobs?worker=external",
    "http://service.test/v1/jobs",
  ]);
});

test("requests about a job have its key and their query", async () => {
  const asked: string[] = [];
  const api = new HttpApi("http://service.test", {
    fetch: async (url, request) => {
      const key = new Headers(request?.headers).get("authorization");
      asked.push(`${request?.method} ${new URL(String(url)).href} ${key}`);
      return Response.json({});
    },
  });
  await api.job(key);
  await api.events(key);
  await api.events(key, { afterSeq: 7 });
  await api.results(key);
  await api.results(key, { stage: "a b" });
  await api.cancel(key);
  const job = `http://service.test/v1/jobs/${JOB}`;
  expect(asked).toEqual(
    [
      `GET ${job}`,
      `GET ${job}/events?after_seq=0`,
      `GET ${job}/events?after_seq=7`,
      `GET ${job}/results`,
      `GET ${job}/results?stage=a+b`,
      `DELETE ${job}`,
    ].map((request) => `${request} Bearer ${KEY}`),
  );
});

test("token takes the place of keys, and is got again when it expires or is refused", async () => {
  const asked: string[] = [];
  let count = 0;
  let status = 200;
  const api = new HttpApi("http://service.test", {
    token: async () => {
      count += 1;
      const exp = Math.floor(Date.now() / 1000) + (count === 1 ? 10 : 300);
      return `e30.${btoa(JSON.stringify({ exp }))}.${count}`;
    },
    fetch: async (url, request) => {
      const { pathname, search } = new URL(String(url));
      const bearer = new Headers(request?.headers).get("authorization");
      asked.push(`${request?.method ?? "GET"} ${pathname}${search} ${bearer?.split(".").at(-1)}`);
      return Response.json({ error: { code: "invalid_token" } }, { status });
    },
  });
  await api.jobs({ status: "running", labels: { team: "blue" }, cursor: null });
  // The first token expires soon, the second one does not.
  await api.cancel({ jobId: JOB });
  await api.createJob(new Blob(["x"]));
  await api.job(key);
  status = 401;
  await expect(api.job({ jobId: JOB })).rejects.toMatchObject({ code: "invalid_token" });
  status = 200;
  await api.job({ jobId: JOB });
  expect(asked).toEqual([
    "GET /v1/jobs?status=running&label.team=blue 1",
    `DELETE /v1/jobs/${JOB} 2`,
    "POST /v1/jobs 2",
    `GET /v1/jobs/${JOB} Bearer ${KEY}`,
    `GET /v1/jobs/${JOB} 2`,
    `GET /v1/jobs/${JOB} 3`,
  ]);
});

test("reviver converts the numbers of results", async () => {
  const reviver: Reviver = (_, value) => (typeof value === "number" ? `${value}` : value);
  const api = new HttpApi("http://service.test", {
    fetch: async () => new Response('{"a":[1,0.5]}'),
    reviver,
  });
  await expect(api.results(key)).resolves.toEqual({ a: ["1", "0.5"] });
});

test("response that is not JSON is an error", async () => {
  await expect(answering("<html>").results(key)).rejects.toMatchObject({
    name: "StagecastError",
    status: 200,
  });
});

test("truncated response is a network error", async () => {
  const broken = new ReadableStream({
    pull: (stream) => stream.error(new TypeError("terminated")),
  });
  const api = new HttpApi("http://service.test/", { fetch: async () => new Response(broken) });
  await expect(api.results(key)).rejects.toMatchObject({ name: "StagecastError", status: 0 });
});

test("abort during a response rejects with the signal's reason", async () => {
  const giveUp = new AbortController();
  const slow = new ReadableStream({
    start: (stream) =>
      giveUp.signal.addEventListener("abort", () => stream.error(giveUp.signal.reason)),
  });
  const api = new HttpApi("http://service.test/", { fetch: async () => new Response(slow) });
  const results = api.results(key, { signal: giveUp.signal });
  giveUp.abort();
  await expect(results).rejects.toMatchObject({ name: "AbortError" });
});

test("artifact is fetched by its name, and its URL is where the redirect leads", async () => {
  const asked: string[] = [];
  const api = new HttpApi("http://service.test", {
    fetch: async (url) => {
      asked.push(String(url));
      const answer = new Response("abc");
      Object.defineProperty(answer, "url", { value: "http://bucket.test/signed" });
      return answer;
    },
  });
  const answer = await api.artifact(key, "a.csv");
  expect(await answer.text()).toBe("abc");
  await expect(api.artifactUrl(key, "a.csv")).resolves.toBe("http://bucket.test/signed");
  const path = `http://service.test/v1/jobs/${JOB}/artifacts/a.csv`;
  expect(asked).toEqual([path, path]);
});

test("unknown artifact is an error with its code", async () => {
  const error = { code: "no_artifact", message: "the job has no artifact 'a'" };
  const api = new HttpApi("http://service.test", {
    fetch: async () => Response.json({ error }, { status: 404 }),
  });
  await expect(api.artifactUrl(key, "a")).rejects.toMatchObject(error);
});
