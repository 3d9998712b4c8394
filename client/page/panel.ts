/** The progress of a job: its bars, message, remaining time and error. */

import { hasEnded, type UploadProgress, type WatchedJob, type WatchedStage } from "../src/index.js";
import { at, make, setMeter } from "./dom.js";
import { amount, duration, errorDetails, errorMessage, sentence, size } from "./format.js";
import { setTitle, stageName, summarize } from "./selected-view.js";

const HEADLINES = {
  awaiting_input: "Uploading…",
  queued: "Waiting to start",
  running: "Working",
  completed: "Done",
  failed: "Failed",
  cancelled: "Cancelled",
};

const ENDINGS: Partial<Record<WatchedJob["status"], string>> = {
  cancelled: "The job was stopped before its end.",
};

/** Estimated end of the job, in milliseconds since 1970; null if unknown. */
let endsAt: number | null = null;
let rendered: WatchedJob | null = null;
/** The rows by stage name. A name can be any string, so it cannot be an element id. */
const rows = new Map<string, HTMLElement>();

setInterval(renderRemaining, 1000);

/** Shows an upload in progress. */
export function uploading(name: string): void {
  clear(name);
  at("headline").textContent = "Uploading…";
  document.body.dataset.status = "uploading";
  setMeter(at("overall"), null, "uploading");
  setTitle("Uploading");
}

/** Shows how much of an input has been sent, as the beginning of the job's bar. */
export function uploadProgress({ sentBytes, totalBytes }: UploadProgress): void {
  const percent = Math.floor((100 * sentBytes) / totalBytes);
  setMeter(at("overall"), percent, `${percent} percent uploaded`);
  at("message").textContent = `${size(sentBytes)} of ${size(totalBytes)} uploaded`;
}

/** Shows a job before its first message. */
export function clear(name: string): void {
  document.body.dataset.status = "queued";
  at("job-name").textContent = name;
  at("headline").textContent = "Looking for the job…";
  at("message").textContent = "";
  for (const id of ["failure", "notice", "cancel", "again", "share"]) at(id).hidden = true;
  at("overall").hidden = false;
  at("stages").replaceChildren();
  rows.clear();
  endsAt = null;
  renderRemaining();
}

export function render(job: WatchedJob, isCancelling: boolean): void {
  const running = !hasEnded(job);
  document.body.dataset.status = job.status;
  at("headline").textContent = running && isCancelling ? "Cancelling…" : HEADLINES[job.status];
  at("message").textContent = job.message || (ENDINGS[job.status] ?? "");
  const waiting = job.status === "queued" || job.status === "awaiting_input";
  const percent = job.overall_progress;
  setMeter(
    at("overall"),
    waiting ? null : percent,
    waiting ? "waiting to start" : `${percent} percent`,
  );
  if (job !== rendered) {
    const seconds = job.estimated_seconds_remaining;
    endsAt = seconds === null ? null : Date.now() + seconds * 1000;
    rendered = job;
  }
  renderRemaining();
  for (const stage of job.stages) renderStage(stage, job);
  at("cancel").hidden = !running;
  at<HTMLButtonElement>("cancel").disabled = isCancelling;
  at("again").hidden = running;
  at("share").hidden = false;
  const title = running && !waiting ? `${percent} %` : HEADLINES[job.status];
  setTitle(title);
  if (job.error) fail(sentence(job.error.message), job.error.code);
}

/** Shows why there is no job; `details` are for support requests. */
export function showFailure(words: string, details = ""): void {
  document.body.dataset.status = "failed";
  at("headline").textContent = "That did not work";
  at("message").textContent = "";
  at("overall").hidden = true;
  for (const id of ["cancel", "share"]) at(id).hidden = true;
  at("again").hidden = false;
  setTitle("Failed");
  endsAt = null;
  renderRemaining();
  fail(words, details);
}

export function showError(error: unknown): void {
  showFailure(errorMessage(error), errorDetails(error));
}

/** Shows a notice; null removes it. */
export function notify(words: string | null): void {
  at("notice").textContent = words ?? "";
  at("notice").hidden = words === null;
}

function fail(words: string, details: string): void {
  const failure = at("failure");
  const content = details ? [words, make("small", "", details)] : [words];
  // An alert is announced when it is set, so an unchanged text is not set again.
  if (!failure.hidden && failure.textContent === words + details) return;
  failure.replaceChildren(...content);
  failure.hidden = false;
}

/** A remaining time in the past is hidden: the job is late or the connection is lost. */
function renderRemaining(): void {
  const left = endsAt === null ? 0 : endsAt - Date.now();
  at("remaining").textContent = left > 0 ? `${duration(Math.round(left / 1000))} left` : "";
}

function renderStage(stage: WatchedStage, job: WatchedJob): void {
  const row = rows.get(stage.stage) ?? newStage(stage);
  row.dataset.state = stage.status;
  const ended = stage.status !== "running";
  // A restarted stage moves backwards; the note gives the reason.
  const isAgain = stage.stage === job.stage && (job.attempt ?? 1) > 1;
  const again = isAgain ? `attempt ${job.attempt}` : "";
  const done = stage.work ? amount(stage.work) : "";
  const running = [again, done].filter(Boolean).join(", ");
  part(row, ".stage-note").textContent =
    stage.status === "completed" ? summarize(stage) || "done" : ended ? stage.status : running;
  const isUnknown = stage.work?.indeterminate ?? false;
  part(row, ".stage-percent").textContent = ended || isUnknown ? "" : `${stage.progress} %`;
  const percent = isUnknown ? done || "working" : `${stage.progress} percent`;
  setMeter(part(row, ".meter"), isUnknown ? null : stage.progress, ended ? stage.status : percent);
}

function newStage({ stage }: WatchedStage): HTMLElement {
  const template = at<HTMLTemplateElement>("stage-row").content.firstElementChild as HTMLElement;
  const row = template.cloneNode(true) as HTMLElement;
  const nameId = `name-of-stage-${rows.size + 1}`;
  part(row, ".stage-name").textContent = stageName(stage);
  part(row, ".stage-name").id = nameId;
  part(row, ".meter").setAttribute("aria-labelledby", nameId);
  rows.set(stage, row);
  at("stages").append(row);
  return row;
}

function part(row: HTMLElement, selector: string): HTMLElement {
  return row.querySelector(selector) as HTMLElement;
}
