/** The page: switches between its views and creates jobs from inputs. */

import { HttpApi } from "../src/index.js";
import type { Config } from "./config.js";
import { at } from "./dom.js";
import { type InputRules, mediaTypeOf, whyUnfit } from "./input-rules.js";
import { saveInput } from "./input-storage.js";
import { saveJob, storedJob } from "./job-storage.js";
import { JobView } from "./job-view.js";
import { linkedJob, linkFor, pathTo } from "./links.js";
import * as panel from "./panel.js";
import { RecentJobs } from "./recent-jobs.js";
import { selectedView, selectView, setTitle } from "./selected-view.js";
import { openEditor, sampleOf, showStart, writtenFile } from "./start-view.js";

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
    showStart(config.input, selectView(config.input));
    this.#view = new JobView(config);
    this.#recent = new RecentJobs(config);
  }

  /** Whether the page accepts another input now. */
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
    setTitle("");
    if (before !== null) at(at("editor").hidden ? "choose" : "text").focus();
  }

  #showJob(jobId: string, input: File | null): void {
    this.#jobId = jobId;
    this.#upload = null;
    this.#recent.hide();
    const job = storedJob(jobId);
    showView("job");
    if (job) {
      this.#view.watch(job, input);
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
    const { sample } = selectedView();
    const file = sampleOf(selectedView(), this.#rules);
    if (!sample || !file) return;
    const upload = this.#begin(sample.name);
    let content: Blob | null = null;
    try {
      const answer = await fetch(sample.url);
      if (answer.ok) content = await answer.blob();
    } catch {
      // Reported below.
    }
    if (upload !== this.#upload) return;
    if (content) await this.#send(new File([content], sample.name), upload);
    else
      this.#showFailure(
        `The ${sample.label} cannot be fetched. Check the connection, or choose a file.`,
      );
  }

  async submit(file: File): Promise<void> {
    const upload = this.#begin(file.name);
    const rejection = whyUnfit(file, this.#rules);
    if (rejection) this.#showFailure(rejection);
    else await this.#send(file, upload);
  }

  /** Submits the text of the editor. */
  async submitText(): Promise<void> {
    const file = writtenFile(this.#rules);
    if (file) await this.submit(file);
  }

  /** Opens the editor with a text that was pasted on the start view. */
  paste(text: string): void {
    if (document.body.dataset.view === "home" && !at("write").hidden) openEditor(true, text);
  }

  /** Replaces the current view, even if the input is rejected. */
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
    const contentType = mediaTypeOf(file, this.#rules) ?? file.type;
    const input = new File([file], file.name, { type: contentType });
    this.#view.showUpload(input);
    try {
      const { job_id: jobId } = await this.#http.createJob(input, {
        contentType,
        // Stored before the upload, so that it can be resumed after a reload.
        onCreated: ({ job_id, access_key: accessKey, upload: pending }) => {
          const job = { jobId: job_id, accessKey, name: file.name, createdAt: Date.now() };
          saveJob({ ...job, status: pending ? "awaiting_input" : "queued", note: "" });
          void saveInput(job_id, input);
        },
        onProgress: (progress) => {
          if (upload === this.#upload) panel.uploadProgress(progress);
        },
      });
      // If the user has left this upload, the job is in the list of recent jobs.
      if (upload !== this.#upload) {
        this.refresh();
        return;
      }
      at<HTMLTextAreaElement>("text").value = "";
      openEditor(false);
      history.pushState(null, "", pathTo(jobId));
      this.#showJob(jobId, input);
    } catch (error) {
      if (upload !== this.#upload) return;
      this.#upload = null;
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

export function showView(view: "home" | "job"): void {
  document.body.dataset.view = view;
  at("intro").hidden = view !== "home";
  at("start").hidden = view !== "home";
  at("content").hidden = view !== "job";
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
