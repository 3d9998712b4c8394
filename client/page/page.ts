/** The page: switches between its views and creates jobs from files. */

import { HttpApi } from "../src/index.js";
import type { Config } from "./config.js";
import { at } from "./dom.js";
import { type InputRules, mediaTypeOf, offer, whyUnfit } from "./input.js";
import { saveJob, storedJob } from "./job-storage.js";
import { JobView } from "./job-view.js";
import { linkedJob, linkFor, pathTo } from "./links.js";
import * as panel from "./panel.js";
import { savePicture } from "./pictures.js";
import { RecentJobs } from "./recent-jobs.js";
import samplePlan from "./sample-plan.png";

const SAMPLE = "sample-plan.png";

export class Page {
  #http: HttpApi;
  #rules: InputRules;
  #view: JobView;
  #recent: RecentJobs;
  /** The view of the current job. */
  #jobId: string | null = null;
  /** The upload in progress that the page shows. */
  #upload: symbol | null = null;

  constructor(config: Config) {
    this.#http = new HttpApi(config.http_api);
    this.#rules = config.input;
    offer(config.input, sample());
    this.#view = new JobView(config);
    this.#recent = new RecentJobs(config);
  }

  /** Whether the page accepts another file now. */
  get isFree(): boolean {
    return !this.#view.isBusy && this.#upload === null;
  }

  /** Shows the view that the URL names. */
  follow(): void {
    const jobId = linkedJob();
    if (jobId === null) this.#showHome();
    // A link to the current job may contain a valid key.
    else if (jobId !== this.#jobId || !this.#view.isBusy) this.#showJob(jobId, null);
  }

  #showHome(): void {
    const before = this.#jobId;
    this.#jobId = null;
    this.#upload = null;
    this.#view.clear();
    this.#recent.show();
    showView("home");
    document.title = "Stagecast";
    if (before !== null) at("choose").focus();
  }

  #showJob(jobId: string, picture: Blob | null): void {
    this.#jobId = jobId;
    this.#upload = null;
    this.#recent.hide();
    const job = storedJob(jobId);
    showView("job");
    if (job) {
      this.#view.watch(job, picture);
    } else {
      this.#view.clear(jobId);
      panel.showFailure(
        "This browser has no key for this job. Open the link that “Copy link to watch” gives where it was started.",
      );
    }
    at("headline").focus();
  }

  goHome(): void {
    if (location.hash) location.hash = "";
    else this.#showHome();
  }

  /** Applies another window's change of the stored jobs. */
  refresh(): void {
    if (document.body.dataset.view === "home") this.#recent.refresh();
  }

  async cancel(): Promise<void> {
    await this.#view.cancel();
  }

  async submitSample(): Promise<void> {
    const upload = this.#begin(SAMPLE);
    let picture: Blob | null = null;
    try {
      const answer = await fetch(samplePlan);
      if (answer.ok) picture = await answer.blob();
    } catch {
      // Reported below.
    }
    if (upload !== this.#upload) return;
    if (picture) await this.#send(sample(picture), upload);
    else
      this.#showFailure(
        "The sample plan cannot be fetched. Check the connection, or choose a file.",
      );
  }

  async submit(file: File): Promise<void> {
    const upload = this.#begin(file.name);
    const rejection = whyUnfit(file, this.#rules);
    if (rejection) this.#showFailure(rejection);
    else await this.#send(file, upload);
  }

  /** Replaces the current view, even if the file is rejected. */
  #begin(name: string): symbol {
    this.#recent.hide();
    this.#view.clear(name);
    this.#jobId = "";
    showView("job");
    panel.uploading(name);
    at("headline").focus();
    const upload = Symbol(name);
    this.#upload = upload;
    return upload;
  }

  #showFailure(words: string): void {
    this.#upload = null;
    panel.showFailure(words);
  }

  async #send(file: File, upload: symbol): Promise<void> {
    this.#view.plan.show(file, file.name);
    this.#view.plan.working(true);
    try {
      const { job_id: jobId, access_key: accessKey } = await this.#http.createJob(file, {
        contentType: mediaTypeOf(file, this.#rules) ?? file.type,
      });
      const job = { jobId, accessKey, name: file.name, createdAt: Date.now() };
      saveJob({ ...job, status: "queued", note: "" });
      void savePicture(jobId, file);
      // If the user has left this upload, the job is in the list of recent jobs.
      if (upload !== this.#upload) {
        this.refresh();
        return;
      }
      history.pushState(null, "", pathTo(jobId));
      this.#showJob(jobId, file);
    } catch (error) {
      if (upload !== this.#upload) return;
      this.#upload = null;
      this.#view.plan.working(false);
      panel.showError(error);
    }
  }

  async share(): Promise<void> {
    const job = this.#jobId && storedJob(this.#jobId);
    if (!job) return;
    const link = linkFor(job.jobId, job.accessKey);
    try {
      await navigator.clipboard.writeText(link);
      flash(at("share"), "Copied");
    } catch {
      panel.notify(`Copy this link: ${link}`);
    }
  }
}

/** The sample as a file whose content is fetched. */
function sample(...content: Blob[]): File {
  return new File(content, SAMPLE, { type: "image/png" });
}

export function showView(view: "home" | "job"): void {
  document.body.dataset.view = view;
  at("intro").hidden = view !== "home";
  at("drop").hidden = view !== "home";
  at("panel").hidden = view !== "job";
  at("recent").hidden ||= view !== "home";
}

function flash(button: HTMLElement, text: string): void {
  const before = button.dataset.text ?? button.textContent ?? "";
  button.dataset.text = before;
  button.textContent = text;
  setTimeout(() => {
    button.textContent = before;
  }, 1600);
}
