import { expect, test } from "vitest";
import { HttpApi } from "../../src/index.js";
import { JOB, KEY } from "./messages.js";

const key = { jobId: JOB, accessKey: KEY };

function answering(body: string): HttpApi {
  return new HttpApi("http://service.test/", { fetch: async () => new Response(body) });
}

test("results may be null", async () => {
  await expect(answering("null").results(key)).resolves.toBeNull();
});

test("an answer that is no JSON is none", async () => {
  await expect(answering("<html>").results(key)).rejects.toMatchObject({
    name: "StagecastError",
    status: 200,
  });
});
