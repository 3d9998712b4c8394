/** The jobs of this browser and their access keys, in `localStorage`. */

import type { JobStatus } from "../src/index.js";

export interface StoredJob {
  jobId: string;
  accessKey: string;
  /** The name of the input file. */
  name: string;
  /** In milliseconds since 1970. */
  createdAt: number;
  /** The last known status; `gone` if the service no longer has the job. */
  status: JobStatus | "gone";
  /** A short summary of the job's end. */
  note: string;
}

const STORE = "stagecast.jobs";
const MOST = 20;

/** The jobs in memory, for browsers that block `localStorage`. */
let unsaved: StoredJob[] | null = null;

/** Returns the jobs, the latest first. */
export function storedJobs(): StoredJob[] {
  if (unsaved) return unsaved;
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(STORE) ?? "[]");
    return Array.isArray(stored) ? stored : [];
  } catch {
    return [];
  }
}

export function storedJob(jobId: string): StoredJob | undefined {
  return storedJobs().find((job) => job.jobId === jobId);
}

export function saveJob(job: StoredJob): void {
  write([job, ...storedJobs().filter(({ jobId }) => jobId !== job.jobId)].slice(0, MOST));
}

/** Updates the status and summary of a stored job. */
export function updateJob(jobId: string, news: Partial<Pick<StoredJob, "status" | "note">>): void {
  const jobs = storedJobs();
  const known = jobs.find((job) => job.jobId === jobId);
  if (!known) return;
  const isNews =
    (news.status ?? known.status) !== known.status || (news.note ?? known.note) !== known.note;
  if (isNews) write(jobs.map((job) => (job === known ? { ...job, ...news } : job)));
}

export function removeJob(jobId: string): void {
  write(storedJobs().filter((job) => job.jobId !== jobId));
}

/** Calls back when another window has changed the stored jobs. */
export function onOtherWindow(changed: () => void): void {
  window.addEventListener("storage", ({ key }) => {
    if (key === STORE || key === null) changed();
  });
}

function write(jobs: StoredJob[]): void {
  try {
    localStorage.setItem(STORE, JSON.stringify(jobs));
    unsaved = null;
  } catch {
    // The browser blocks `localStorage`, or it is full.
    unsaved = jobs;
  }
}
