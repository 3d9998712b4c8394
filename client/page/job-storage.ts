/** The jobs of this browser, with what opens them. */

import type { JobStatus } from "../src/index.js";

export interface KeptJob {
  jobId: string;
  accessKey: string;
  /** The file that it was made from. */
  name: string;
  /** In milliseconds since 1970. */
  createdAt: number;
  /** As it was last known; `gone` when the service no longer has it. */
  status: JobStatus | "gone";
  /** What is worth knowing of its end. */
  note: string;
}

const STORE = "stagecast.jobs";
const MOST = 20;

/** The jobs as long as the page is open, where the browser has not kept them. */
let unsaved: KeptJob[] | null = null;

/** The latest first. */
export function keptJobs(): KeptJob[] {
  if (unsaved) return unsaved;
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(STORE) ?? "[]");
    return Array.isArray(kept) ? kept : [];
  } catch {
    return [];
  }
}

export function keptJob(jobId: string): KeptJob | undefined {
  return keptJobs().find((job) => job.jobId === jobId);
}

export function keep(job: KeptJob): void {
  write([job, ...keptJobs().filter(({ jobId }) => jobId !== job.jobId)].slice(0, MOST));
}

/** Notes what has become of a job, if it is kept. */
export function note(jobId: string, news: Partial<Pick<KeptJob, "status" | "note">>): void {
  const jobs = keptJobs();
  const known = jobs.find((job) => job.jobId === jobId);
  if (!known) return;
  const isNews =
    (news.status ?? known.status) !== known.status || (news.note ?? known.note) !== known.note;
  if (isNews) write(jobs.map((job) => (job === known ? { ...job, ...news } : job)));
}

export function forget(jobId: string): void {
  write(keptJobs().filter((job) => job.jobId !== jobId));
}

/** Calls back when another window has changed what is kept. */
export function onOtherWindow(changed: () => void): void {
  window.addEventListener("storage", ({ key }) => {
    if (key === STORE || key === null) changed();
  });
}

function write(jobs: KeptJob[]): void {
  try {
    localStorage.setItem(STORE, JSON.stringify(jobs));
    unsaved = null;
  } catch {
    // The browser keeps nothing, or its store is full.
    unsaved = jobs;
  }
}
