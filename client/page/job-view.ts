/** The view of one job: applies its messages to the page. */

import { HttpApi, type JobWatch, StagecastError, type WatchedJob, watchJob } from "../src/index.js";
import { Announcer } from "./announcer.js";
import { clearArtifacts, renderArtifacts } from "./artifacts.js";
import type { Config } from "./config.js";
import { hideConnection, showConnection } from "./connection-pill.js";
import { at } from "./dom.js";
import { errorMessage } from "./format.js";
import { mountGeneral } from "./general/view.js";
import { storedInput } from "./input-storage.js";
import { type StoredJob, saveJob, updateJob } from "./job-storage.js";
import { otherKey } from "./links.js";
import { clearLog, log } from "./message-log.js";
import * as panel from "./panel.js";
import type { JobContent } from "./product.js";
import { storeResult } from "./recent-jobs.js";
import { keepDigits } from "./results/exact-numbers.js";
import { selectedView } from "./selected-view.js";

export class JobView {
  #announcer = new Announcer();
  #config: Config;
  #http: HttpApi;
  #job: StoredJob | null = null;
  #watch: JobWatch | null = null;
  /** The input and the results: the product's view or the general one. */
  #content: JobContent | null = null;
  /** Results that were too large for a message and are fetched over HTTP. */
  #fetched: { of: JobWatch; results: unknown } | null = null;
  #isCancelling = false;
  /** The watch whose upload this page continues. */
  #resumed: JobWatch | null = null;

  constructor(config: Config) {
    this.#config = config;
    this.#http = new HttpApi(config.http_api, { reviver: keepDigits });
  }

  /** Whether the view shows a job that has not ended. */
  get isBusy(): boolean {
    return this.#watch !== null && this.#watch.state !== "ended";
  }

  /** Ends the watch and clears the view. */
  clear(name = ""): void {
    this.#unmount();
    this.#reset(name);
  }

  /** Shows an input while it is uploaded. */
  showUpload(input: File): void {
    this.#mount().showInput?.(input);
  }

  /** Watches a job. `input` is its input, if this page has just uploaded it. */
  watch(job: StoredJob, input: File | null): void {
    // After an upload, the view of the input stays.
    if (!input) this.#unmount();
    this.#reset(job.name);
    const { websocket: url, http_api: httpApi } = this.#config;
    const { jobId, accessKey } = job;
    const watch = watchJob({ url, httpApi, jobId, accessKey, reviver: keepDigits });
    this.#job = job;
    this.#watch = watch;
    if (!this.#content) {
      this.#mount();
      void this.#showStoredInput(job, watch);
    }
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

  #reset(name: string): void {
    this.#watch?.close();
    this.#watch = null;
    this.#isCancelling = false;
    this.#announcer.reset();
    panel.clear(name);
    clearArtifacts();
    clearLog();
    hideConnection();
  }

  #mount(): JobContent {
    const mount = selectedView().mount ?? mountGeneral;
    this.#unmount();
    this.#content = mount({
      main: at("content"),
      side: at("side"),
      fetchResults: (stage) =>
        this.#job
          ? this.#http.results(this.#job, { stage })
          : Promise.reject(new Error("there is no job")),
    });
    return this.#content;
  }

  #unmount(): void {
    this.#content?.unmount?.();
    this.#content = null;
    for (const slot of ["content", "side"]) at(slot).replaceChildren();
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
    this.#unmount();
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
    this.#renderArtifacts(job, watch);
    this.#content?.render(job);
    storeResult(watch);
    if (job.status === "awaiting_input") void this.#resumeUpload(watch);
    if (job.status === "completed" && job.results === null && job.results_url) {
      void this.#fetchResults(watch);
    }
  }

  #renderArtifacts({ artifacts }: Pick<WatchedJob, "artifacts">, watch: JobWatch): void {
    const key = this.#job;
    const url = (name: string) =>
      key ? this.#http.artifactUrl(key, name) : Promise.reject(new Error("there is no job"));
    renderArtifacts(artifacts, url, (words) => {
      if (watch === this.#watch) panel.notify(words);
    });
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

  /** Continues an upload that was interrupted, such as by a reload. */
  async #resumeUpload(watch: JobWatch): Promise<void> {
    const job = this.#job;
    if (this.#resumed === watch || !job) return;
    this.#resumed = watch;
    const input = await storedInput(job.jobId);
    if (watch !== this.#watch) return;
    if (!input) {
      panel.notify(
        "The input of this job is not uploaded completely, and this browser does not have it. Open the job where it was started, or cancel it.",
      );
      return;
    }
    const abort = new AbortController();
    try {
      await this.#http.uploadInput(job, input, {
        signal: abort.signal,
        onProgress: (progress) => {
          if (watch === this.#watch) panel.uploadProgress(progress);
          else abort.abort();
        },
      });
    } catch (error) {
      if (watch === this.#watch) panel.notify(errorMessage(error));
    }
  }

  /** Another window, or this one before a reload, has stored it. */
  async #showStoredInput({ jobId }: StoredJob, watch: JobWatch): Promise<void> {
    const input = await storedInput(jobId);
    if (watch === this.#watch && input) this.#content?.showInput?.(input);
  }
}
