/** The list of this browser's jobs. Unfinished jobs are watched while the list is visible. */

import { hasEnded, type JobWatch, StagecastError, watchJob } from "../src/index.js";
import type { Config } from "./config.js";
import { at, make, setMeter } from "./dom.js";
import { ago } from "./format.js";
import { removeOtherInputs, storedInput } from "./input-storage.js";
import { removeJob, type StoredJob, storedJobs, updateJob } from "./job-storage.js";
import { pathTo } from "./links.js";
import { summarize } from "./selected-view.js";

/** Maximum number of watches; each has its own connection. */
const MOST_WATCHED = 4;

const STATUS = {
  awaiting_input: "Uploading",
  queued: "Waiting",
  running: "Running",
  completed: "Done",
  failed: "Failed",
  cancelled: "Cancelled",
  gone: "No longer kept",
};

export class RecentJobs {
  #config: Config;
  #watches: JobWatch[] = [];
  /** The listed jobs in their order. */
  #rows = new Map<string, HTMLElement>();
  #pictures: string[] = [];

  constructor(config: Config) {
    this.#config = config;
    at("forget-all").addEventListener("click", () => {
      for (const { jobId } of storedJobs()) removeJob(jobId);
      this.show();
      at("choose").focus();
    });
  }

  show(): void {
    this.hide();
    const jobs = storedJobs();
    at("recent").hidden = jobs.length === 0;
    for (const job of jobs) {
      const row = this.#row(job);
      at("recent-list").append(row);
      this.#rows.set(job.jobId, row);
      const mayRun = ["awaiting_input", "queued", "running"].includes(job.status);
      if (mayRun && this.#watches.length < MOST_WATCHED) this.#follow(job, row);
    }
    void removeOtherInputs(jobs.map(({ jobId }) => jobId));
  }

  /**
   * Applies another window's change. Existing watches continue: a new watch would store its result,
   * which would make the other windows start again.
   */
  refresh(): void {
    const jobs = storedJobs();
    if (jobs.map(({ jobId }) => jobId).join() !== [...this.#rows.keys()].join()) {
      this.#showAnew();
      return;
    }
    const followed = this.#watches.filter(({ state }) => state !== "ended");
    for (const { jobId, status, note } of jobs) {
      const row = this.#rows.get(jobId);
      const isFollowed = followed.some(({ snapshot }) => snapshot.job_id === jobId);
      if (row && !isFollowed) setStatus(row, status, note);
    }
  }

  /** Replaces the list and restores the focus. */
  #showAnew(): void {
    const focused = document.activeElement;
    const [jobId, row] = [...this.#rows].find(([, row]) => row.contains(focused)) ?? [];
    const isButton = focused?.matches("button");
    this.show();
    if (!row) return;
    const again = jobId === undefined ? undefined : this.#rows.get(jobId);
    const within: ParentNode = again ?? at("recent-list");
    (within.querySelector<HTMLElement>(isButton && again ? "button" : "a") ?? at("choose")).focus();
  }

  hide(): void {
    for (const watch of this.#watches.splice(0)) watch.close();
    for (const picture of this.#pictures.splice(0)) URL.revokeObjectURL(picture);
    this.#rows.clear();
    at("recent-list").replaceChildren();
  }

  #row(job: StoredJob): HTMLElement {
    const [, extension = ""] = /\.(\w{1,4})$/.exec(job.name) ?? [];
    const picture = make("span", "recent-picture", extension.toUpperCase());
    picture.setAttribute("aria-hidden", "true");
    const link = make(
      "a",
      "recent-link",
      picture,
      make("span", "recent-name", job.name),
      make("span", "recent-status"),
      make("span", "recent-time", ago(job.createdAt)),
    );
    link.href = pathTo(job.jobId);
    const away = make("button", "button quiet recent-forget", "×");
    away.type = "button";
    away.title = "Forget";
    away.setAttribute("aria-label", `Forget ${job.name}`);
    away.addEventListener("click", () => {
      removeJob(job.jobId);
      this.show();
      const next = at("recent-list").querySelector<HTMLElement>("a") ?? at("choose");
      next.focus();
    });
    const row = make("li", "recent-row", link, away);
    setStatus(row, job.status, job.note);
    void this.#showPicture(job.jobId, picture);
    return row;
  }

  async #showPicture(jobId: string, into: HTMLElement): Promise<void> {
    const input = await storedInput(jobId);
    if (!input?.type.startsWith("image/") || !into.isConnected) return;
    const image = make("img", "");
    image.src = URL.createObjectURL(input);
    image.alt = "";
    this.#pictures.push(image.src);
    into.replaceChildren(image);
  }

  #follow({ jobId, accessKey, status }: StoredJob, row: HTMLElement): void {
    const { websocket: url, http_api: httpApi } = this.#config;
    const watch = watchJob({ url, httpApi, jobId, accessKey });
    this.#watches.push(watch);
    const meter = make("span", "meter", make("span", ""));
    meter.setAttribute("role", "progressbar");
    meter.setAttribute("aria-label", row.querySelector(".recent-name")?.textContent ?? jobId);
    meter.setAttribute("aria-valuemin", "0");
    meter.setAttribute("aria-valuemax", "100");
    setMeter(meter, null, status);
    row.querySelector(".recent-link")?.append(meter);
    const show = () => {
      const { snapshot: job } = watch;
      setMeter(meter, job.status === "queued" ? null : job.overall_progress, job.status);
      meter.hidden = hasEnded(job);
      const percent = job.status === "running" ? `${job.overall_progress} %` : "";
      setStatus(row, job.status, percent || summaryOf(watch));
      storeResult(watch);
    };
    watch.addEventListener("change", show);
    watch.addEventListener("state", () => {
      if (!(watch.error instanceof StagecastError)) return;
      meter.hidden = true;
      updateJob(jobId, { status: "gone" });
      setStatus(row, "gone", "");
    });
  }
}

/**
 * Stores the result of a watch. `queued` is not stored: it is the initial status, and also what a
 * watch reports before its first message.
 */
export function storeResult(watch: JobWatch): void {
  const { job_id: jobId, status } = watch.snapshot;
  if (status !== "queued") updateJob(jobId, { status, note: summaryOf(watch) });
}

/** The summary of a job's end. */
function summaryOf({ snapshot: job }: JobWatch): string {
  if (job.status === "failed") return job.error?.code.replaceAll("_", " ") ?? "";
  const last = job.stages.at(-1);
  if (job.status !== "completed" || !last) return "";
  // HTTP reports the last stage's results as those of the job.
  return summarize(last) || summarize(job);
}

function setStatus(row: HTMLElement, status: StoredJob["status"], note: string): void {
  row.dataset.status = status;
  const words = row.querySelector(".recent-status") as HTMLElement;
  words.textContent = [STATUS[status], note].filter(Boolean).join(" · ");
}
