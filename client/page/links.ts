/**
 * What is on show is behind the address's `#`, which browsers do not send: `#job=…`, and with `&key=…` in a
 * link that is handed on. The key is taken out of the address at once.
 */

import { keep, keptJob } from "./kept-jobs.js";

/** The job that the address names. */
export function linkedJob(): string | null {
  const given = new URLSearchParams(location.hash.slice(1));
  const [jobId, accessKey] = [given.get("job"), given.get("key")];
  if (jobId && accessKey) {
    const known = keptJob(jobId);
    const started = { name: jobId, createdAt: Date.now(), note: "" };
    keep({ ...started, status: "queued", ...known, jobId, accessKey });
    history.replaceState(null, "", pathTo(jobId));
  }
  return jobId;
}

export function pathTo(jobId: string): string {
  return `#${new URLSearchParams({ job: jobId })}`;
}

/** A link with which others can watch the job too, and cancel it. */
export function linkFor(jobId: string, accessKey: string): string {
  const link = new URL(location.href);
  link.hash = String(new URLSearchParams({ job: jobId, key: accessKey }));
  return link.href;
}
