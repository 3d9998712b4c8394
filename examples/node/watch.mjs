// Makes a job from a floor plan and shows how far it is until it has ended.
//
//   npm --prefix client ci && npm --prefix client run build
//   npm --prefix examples/node ci
//   node examples/node/watch.mjs client/page/sample-plan.png

import { readFile } from "node:fs/promises";

import { watchJob } from "@stagecast/client";
import WebSocket from "ws"; // Node has one of its own from version 22.

const url = process.env.STAGECAST_URL ?? "http://127.0.0.1:4800";

const answer = await fetch(`${url}/v1/jobs`, {
  method: "POST",
  headers: { "content-type": "image/png" },
  body: await readFile(process.argv[2]),
});
const created = await answer.json();
if (!answer.ok) throw new Error(created.error.message);
console.log(created.job_id);

const job = watchJob({
  url: created.websocket_url,
  jobId: created.job_id,
  accessKey: created.access_key,
  httpApi: url,
  WebSocket,
});
for await (const message of job) {
  switch (message.type) {
    case "progress_update":
      console.log(`${message.overall_progress} %  ${message.stage}: ${message.message}`);
      break;
    case "stage_complete":
      console.log(`${message.stage} has finished`);
      break;
    case "job_complete":
      console.log(JSON.stringify(message.results, null, 2));
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
