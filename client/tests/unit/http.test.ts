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
