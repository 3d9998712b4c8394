/** Tests files of jobs against the functions on the local stack. */

import { createHash } from "node:crypto";
import { expect, inject, test } from "vitest";
import { WebSocket } from "ws";
import { HttpApi, type JobKey, watchJob } from "../../src/index.js";

const { http_api: httpApi, websocket: url } = inject("quick");
const api = new HttpApi(httpApi);

test("file of an external worker is listed, and its URL needs no key", async () => {
  const created = await api.createJob(new Blob(["one two"]), { worker: "external" });
  const key: JobKey = { jobId: created.job_id, accessKey: created.access_key };
  const ask = async (what: string, body: object) => {
    const answer = await fetch(`${httpApi}/v1/jobs/${key.jobId}/${what}`, {
      method: "POST",
      headers: { authorization: `Bearer ${created.worker_key}` },
      body: JSON.stringify(body),
    });
    expect(answer.status).toBe(200);
    return answer.json();
  };
  const { epoch } = await ask("claim", { stages: ["count"] });
  const content = "word,count\none,1\n";
  const artifact = {
    name: "words.csv",
    content_type: "text/csv",
    size: content.length,
    sha256: createHash("sha256").update(content).digest("hex"),
  };
  const upload = await ask("artifacts", { epoch, ...artifact });
  const put = await fetch(upload.url, { method: "PUT", headers: upload.headers, body: content });
  expect(put.status).toBe(200);
  const artifacts = [artifact];
  const complete = { type: "stage_complete", stage: "count", results: 2, artifacts };
  await ask("events", { epoch, after_seq: 0, events: [complete, { type: "job_complete" }] });

  const watch = watchJob({ url, ...key, WebSocket });
  for await (const _ of watch);
  expect(watch.snapshot.artifacts).toEqual(artifacts);
  const address = await api.artifactUrl(key, "words.csv");
  const downloaded = await fetch(address);
  expect(downloaded.headers.get("content-disposition")).toBe('attachment; filename="words.csv"');
  expect(await downloaded.text()).toBe(content);
  expect(await (await api.artifact(key, "words.csv")).text()).toBe(content);
  await expect(api.artifactUrl(key, "other.csv")).rejects.toMatchObject({ code: "no_artifact" });
});
