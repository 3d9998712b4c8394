// Creates a job from a floor plan and prints its progress until it ends.
//
//   npm --prefix client ci && npm --prefix client run build
//   npm --prefix examples/node ci
//   node examples/node/watch.mjs client/floor-plan/sample-plan.png

import { readFile } from "node:fs/promises";

import { HttpApi, watchJob } from "@stagecast/client";
import WebSocket from "ws"; // Node 22 and later have a built-in WebSocket.

const api = new HttpApi(process.env.STAGECAST_URL ?? "http://127.0.0.1:4800");

const plan = await readFile(process.argv[2]);
const created = await api.createJob(plan, { contentType: "image/png" });
console.log(created.job_id);

const key = { jobId: created.job_id, accessKey: created.access_key };
const job = watchJob({ url: created.websocket_url, httpApi: api.base, ...key, WebSocket });
for await (const message of job) {
  switch (message.type) {
    case "progress_update":
      console.log(`${message.overall_progress} %  ${message.stage}: ${message.message}`);
      break;
    case "stage_complete":
      console.log(`${message.stage} has finished`);
      break;
    case "job_complete":
      // Large results are not in the message: fetch them.
      console.log(JSON.stringify(message.results ?? (await api.results(key)), null, 2));
      break;
    case "job_failed":
      console.error(message.error.message);
      process.exitCode = 1;
      break;
    case "job_cancelled":
      console.error("cancelled");
      process.exitCode = 1;
  }
}
