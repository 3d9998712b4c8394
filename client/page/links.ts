/**
 * What is on show is behind the address's `#`, which browsers do not send: `#job=…`, and with `&key=…` in a
 * link that is handed on. The key is taken out of the address at once.
 */

import { keep, keptJob } from "./job-storage.js";

/** Keys in links to jobs that this browser has another key of: either may be damaged. */
const otherKeys = new Map<string, string>();

/** The job that the address names. */
export function linkedJob(): string | null {
  const given = new URLSearchParams(location.hash.slice(1));
  const [jobId, accessKey] = [given.get("job"), given.get("key")];
  if (jobId && accessKey) {
    const known = keptJob(jobId);
    if (!known || known.status === "gone") {
      const { name, createdAt } = known ?? { name: jobId, createdAt: Date.now() };
      keep({ jobId, accessKey, name, createdAt, status: "queued", note: "" });
    } else if (known.accessKey !== accessKey) {
      otherKeys.set(jobId, accessKey);
    }
    history.replaceState(null, "", pathTo(jobId));
  }
  return jobId;
}

/** Another key of a job than the kept one, to be tried once. */
export function otherKey(jobId: string): string | null {
  const key = otherKeys.get(jobId) ?? null;
  otherKeys.delete(jobId);
  return key;
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
