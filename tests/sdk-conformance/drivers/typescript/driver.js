/** The driver of the TypeScript client: watches a job with the built package. The contract is in ../../README.md. */

import { WebSocket } from "../../../../client/node_modules/ws/wrapper.mjs";
import { watchJob } from "../../../../client/dist/index.js";

const config = JSON.parse(process.argv[2]);
const print = (event, fields = {}) => console.log(JSON.stringify({ event, ...fields }));

if (config.mode !== "watch") {
  print("unsupported", { what: "there are no workers in TypeScript" });
  process.exit(64);
}

if (config.renew_after_seconds !== undefined) {
  // The client has no option for the age of a connection: the suite shortens the only timer that is as long.
  const { setTimeout: original } = globalThis;
  const isRenewal = (delay) => delay >= 90 * 60_000;
  globalThis.setTimeout = (callback, delay, ...rest) =>
    original(callback, isRenewal(delay) ? config.renew_after_seconds * 1000 : delay, ...rest);
}

const watch = watchJob({
  url: config.websocket_url,
  jobId: config.job_id,
  accessKey: config.access_key,
  afterSeq: config.after_seq,
  httpApi: config.http_fallback ? config.http_api : undefined,
  WebSocket,
});

function includes(value, pattern) {
  if (typeof pattern !== "object" || pattern === null) return value === pattern;
  return Object.entries(pattern).every(([key, each]) => includes(value?.[key], each));
}

function cancel() {
  watch.cancel().then(
    () => print("cancel_accepted"),
    (error) => print("cancel_rejected", { code: error.code }),
  );
}

let isCancelled = false;
watch.addEventListener("message", ({ detail }) => {
  print("message", { message: detail });
  if (config.cancel_at && !isCancelled && includes(detail, config.cancel_at)) {
    isCancelled = true;
    cancel();
  }
});
watch.addEventListener("warning", ({ detail }) => {
  print("warning", { code: detail.code, status: detail.status, message: detail.message });
});
watch.addEventListener("state", () => {
  print("state", { state: watch.state, transport: watch.transport });
});
if (config.cancel_at_start) cancel();

let error = null;
try {
  for await (const _ of watch);
} catch (cause) {
  error = { code: cause.code, status: cause.status, message: cause.message };
}
print("end", { status: watch.snapshot.status, results: watch.snapshot.results, error });
process.exitCode = error ? 1 : 0;
