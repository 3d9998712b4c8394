/**
 * The fragment of the URL names the job of the view; browsers do not send it to the server:
 * `#job=…`, with `&key=…` in a shared link. The page removes the key from the address bar at once.
 */

import { saveJob, storedJob } from "./job-storage.js";

/**
 * Keys from links to jobs for which the browser has stored another key. Either of the two may be
 * damaged.
 */
const otherKeys = new Map<string, string>();

/** The id of the job that the URL names. */
export function linkedJob(): string | null {
  const given = new URLSearchParams(location.hash.slice(1));
  const [jobId, accessKey] = [given.get("job"), given.get("key")];
  if (jobId && accessKey) {
    const known = storedJob(jobId);
    if (!known || known.status === "gone") {
      const { name, createdAt } = known ?? { name: jobId, createdAt: Date.now() };
      saveJob({ jobId, accessKey, name, createdAt, status: "queued", note: "" });
    } else if (known.accessKey !== accessKey) {
      otherKeys.set(jobId, accessKey);
    }
    history.replaceState(null, "", pathTo(jobId));
  }
  return jobId;
}

/** Takes the second key of a job, to try it once. */
export function otherKey(jobId: string): string | null {
  const key = otherKeys.get(jobId) ?? null;
  otherKeys.delete(jobId);
  return key;
}

export function pathTo(jobId: string): string {
  return `#${new URLSearchParams({ job: jobId })}`;
}

/** A link that lets others watch and cancel the job. */
export function linkFor(jobId: string, accessKey: string): string {
  const link = new URL(location.href);
  link.hash = String(new URLSearchParams({ job: jobId, key: accessKey }));
  return link.href;
}
