/** The view of one job: applies its messages to the page. */

import {
  HttpApi,
  hasEnded,
  type JobWatch,
  StagecastError,
  type WatchedJob,
  watchJob,
} from "../src/index.js";
import { Announcer } from "./announcer.js";
import type { Config } from "./config.js";
import { hideConnection, showConnection } from "./connection-pill.js";
import { errorMessage } from "./format.js";
import { type StoredJob, saveJob, updateJob } from "./job-storage.js";
import { otherKey } from "./links.js";
import { clearLog, log } from "./message-log.js";
import * as panel from "./panel.js";
import { storedPicture } from "./pictures.js";
import { PlanView } from "./plan-view.js";
import { storeResult } from "./recent-jobs.js";
import { imageOf } from "./results.js";
import { RoomList } from "./room-list.js";

export class JobView {
  readonly plan: PlanView = new PlanView((id) => this.#rooms.point(id));
  #rooms = new RoomList(this.plan);
  #announcer = new Announcer();
  #config: Config;
  #http: HttpApi;
  #job: StoredJob | null = null;
  #watch: JobWatch | null = null;
  /** Results that were too large for a message and are fetched over HTTP. */
  #fetched: { of: JobWatch; results: unknown } | null = null;
  #isCancelling = false;

  constructor(config: Config) {
    this.#config = config;
    this.#http = new HttpApi(config.http_api);
  }

  /** Whether the view shows a job that has not ended. */
  get isBusy(): boolean {
    return this.#watch !== null && this.#watch.state !== "ended";
  }

  /** Ends the watch and clears the view. */
  clear(name = ""): void {
    this.#watch?.close();
    this.#watch = null;
    this.#isCancelling = false;
    this.#announcer.reset();
    this.plan.hide();
    this.#rooms.clear();
    panel.clear(name);
    clearLog();
    hideConnection();
  }

  /** Watches a job. `picture` is its input, if the browser has it. */
  watch(job: StoredJob, picture: Blob | null): void {
    this.clear(job.name);
    const { websocket: url, http_api: httpApi } = this.#config;
    const { jobId, accessKey } = job;
    const watch = watchJob({ url, httpApi, jobId, accessKey });
    this.#job = job;
    this.#watch = watch;
    if (picture) this.plan.show(picture, job.name);
    else void this.#showKeptPicture(job, watch);
    watch.addEventListener("frame", ({ detail }) => log(detail));
    watch.addEventListener("message", ({ detail }) =>
      this.#announcer.announce(detail, watch.snapshot),
    );
    watch.addEventListener("warning", ({ detail }) => panel.notify(errorMessage(detail)));
    watch.addEventListener("change", () => this.#render(watch));
    watch.addEventListener("state", () => this.#stateChanged(watch));
    showConnection(watch);
  }

  async cancel(): Promise<void> {
    const watch = this.#watch;
    if (!watch) return;
    this.#isCancelling = true;
    this.#render(watch);
    try {
      await watch.cancel();
      // Shows an error that happened before the job was created.
      if (watch === this.#watch) panel.notify(null);
    } catch (error) {
      if (watch !== this.#watch) return;
      this.#isCancelling = false;
      this.#render(watch);
      panel.notify(errorMessage(error));
    }
  }

  #stateChanged(watch: JobWatch): void {
    if (watch.state === "live") {
      panel.notify(null);
      this.#render(watch);
    }
    const { error } = watch;
    if (error === null || watch !== this.#watch) return;
    const isForbidden = error instanceof StagecastError && error.code === "forbidden";
    const key = isForbidden ? otherKey(watch.snapshot.job_id) : null;
    if (key !== null && this.#job) {
      const job: StoredJob = { ...this.#job, accessKey: key };
      saveJob(job);
      this.watch(job, null);
      return;
    }
    this.plan.working(false);
    if (error instanceof StagecastError) updateJob(watch.snapshot.job_id, { status: "gone" });
    if (isForbidden) {
      const words = "This job no longer exists, or the link's key is wrong.";
      panel.showFailure(`${words} Start another one.`, error.code ?? "");
    } else {
      panel.showError(error);
    }
  }

  #render(watch: JobWatch): void {
    if (watch !== this.#watch) return;
    const fetched = this.#fetched?.of === watch ? this.#fetched.results : null;
    const job: WatchedJob =
      fetched === null ? watch.snapshot : { ...watch.snapshot, results: fetched };
    panel.render(job, this.#isCancelling);
    const size = imageOf(job);
    if (size) this.plan.shape(size);
    this.#rooms.render(job);
    this.plan.working(!hasEnded(job));
    storeResult(watch);
    if (job.status === "completed" && job.results === null && job.results_url) {
      void this.#fetchResults(watch);
    }
  }

  async #fetchResults(watch: JobWatch): Promise<void> {
    if (this.#fetched?.of === watch || !this.#job) return;
    const fetched = { of: watch, results: null as unknown };
    this.#fetched = fetched;
    try {
      fetched.results = await this.#http.results(this.#job);
      this.#render(watch);
    } catch (error) {
      if (watch !== this.#watch) return;
      panel.notify(`The results could not be fetched; reload to try again. ${errorMessage(error)}`);
    }
  }

  /** Another window, or this one before a reload, has stored it. */
  async #showKeptPicture({ jobId, name }: StoredJob, watch: JobWatch): Promise<void> {
    const picture = await storedPicture(jobId);
    if (watch !== this.#watch) return;
    const hadRooms = this.plan.isShown;
    this.plan.show(picture, name);
    if (hadRooms) this.#rooms.clear();
    this.#render(watch);
  }
}
