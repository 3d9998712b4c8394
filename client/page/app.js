/** The page: from a picture to a job, from a job's messages to what is seen. */

import { HttpApi } from "./http.js";
import { apply, hasEnded, newJob, snapshot } from "./job.js";
import * as panel from "./panel.js";
import { JobWatcher } from "./watcher.js";

const MAX_BYTES = 4 * 1024 * 1024;
/** A picture over this size is not kept over a reload: the browser's store is small. */
const MAX_KEPT_BYTES = 2 * 1024 * 1024;
const STORE = "stagecast.job";

const at = (id) => document.getElementById(id);

let config = null;
let http = null;
/** `{ jobId, accessKey, websocket, name }` of the job on show. */
let ticket = null;
let job = newJob();
let watcher = null;

start();

async function start() {
  wire();
  try {
    const answer = await fetch("config.json");
    config = await answer.json();
    http = new HttpApi(config.http_api);
  } catch {
    panel.show("job");
    panel.fail("The page's config.json cannot be read, so it does not know where the service is.");
    return;
  }
  const linked = fromLink();
  if (linked) {
    watch(linked);
    keep(null);
    return;
  }
  const { picture, ...kept } = fromStore() ?? {};
  if (kept.jobId) watch(kept, picture);
}

function wire() {
  at("choose").addEventListener("click", () => at("file").click());
  at("file").addEventListener("change", () => {
    if (at("file").files[0]) submit(at("file").files[0]);
    at("file").value = "";
  });
  at("sample").addEventListener("click", sample);
  at("cancel").addEventListener("click", cancel);
  at("again").addEventListener("click", reset);
  at("share").addEventListener("click", share);
  window.addEventListener("hashchange", () => {
    const linked = fromLink();
    if (linked) {
      reset();
      watch(linked);
      keep(null);
    }
  });
  const isFree = () => !ticket || hasEnded(job);
  window.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.toggle("dragging", isFree());
  });
  window.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("dragging");
  });
  window.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dragging");
    const file = event.dataTransfer?.files[0];
    if (file && isFree()) submit(file);
  });
}

/* From a picture to a job */

async function sample() {
  const answer = await fetch("sample-plan.png");
  submit(new File([await answer.blob()], "sample-plan.png", { type: "image/png" }));
}

async function submit(file) {
  reset();
  panel.show("job");
  at("headline").textContent = "Uploading…";
  at("message").textContent = file.name;
  if (!["image/png", "image/jpeg"].includes(file.type)) {
    panel.fail(`${file.name} is neither a PNG nor a JPEG. Choose an image of one of these kinds.`);
    return;
  }
  if (file.size > MAX_BYTES) {
    const size = (file.size / 1024 / 1024).toFixed(1);
    panel.fail(`${file.name} has ${size} MB, the limit is 4 MB. Save it smaller or as a JPEG.`);
    return;
  }
  const picture = await dataUrl(file);
  panel.plan.show(picture);
  try {
    const created = await http.createJob(file);
    watch(
      {
        jobId: created.job_id,
        accessKey: created.access_key,
        websocket: created.websocket_url,
        name: file.name,
      },
      picture,
    );
    keep(file.size <= MAX_KEPT_BYTES ? picture : null);
  } catch (error) {
    panel.fail(panel.inWords(error), panel.inDetail(error));
  }
}

function dataUrl(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}

/* Keeping a job over a reload, and handing it on */

function keep(picture) {
  try {
    sessionStorage.setItem(STORE, JSON.stringify({ ...ticket, picture }));
  } catch {
    // The store is full: without the picture the job is still found again.
    if (picture) keep(null);
  }
}

function fromStore() {
  try {
    return JSON.parse(sessionStorage.getItem(STORE));
  } catch {
    return null;
  }
}

/** A link carries the key behind the `#`, which browsers do not send; it is taken out at once. */
function fromLink() {
  const given = new URLSearchParams(location.hash.slice(1));
  const [jobId, accessKey] = [given.get("job"), given.get("key")];
  if (!jobId || !accessKey) return null;
  history.replaceState(null, "", location.pathname + location.search);
  return { jobId, accessKey, name: jobId };
}

async function share() {
  const link = new URL(location.href);
  link.hash = new URLSearchParams({ job: ticket.jobId, key: ticket.accessKey });
  try {
    await navigator.clipboard.writeText(link.href);
    flash(at("share"), "Copied");
  } catch {
    panel.notify(`Copy this link: ${link.href}`);
  }
}

function flash(button, text) {
  const before = button.textContent;
  button.textContent = text;
  setTimeout(() => (button.textContent = before), 1600);
}

/* Watching */

function watch(kept, picture) {
  ticket = kept;
  panel.show("job");
  if (picture) panel.plan.show(picture);
  render();
  watcher = new JobWatcher({ url: ticket.websocket ?? config.websocket, ...ticket });
  watcher.addEventListener("connection", ({ detail }) => connection(detail));
  watcher.addEventListener("message", ({ detail }) => receive(detail));
  watcher.addEventListener("frame", ({ detail }) => panel.log(detail));
  watcher.start();
}

function receive(message) {
  if (apply(job, message)) {
    render();
    panel.announce(message, job);
    if (hasEnded(job)) ended();
    return;
  }
  if (message.type === "error") {
    refused(message);
  } else if (message.type === undefined) {
    job.cancelRequested = false;
    render();
    panel.notify(`The service answered: ${message.message ?? JSON.stringify(message)}`);
  }
}

function refused({ code, message, request_id: requestId }) {
  if (code === "forbidden" || code === "job_not_found") {
    sessionStorage.removeItem(STORE);
    watcher.close();
    panel.fail("This job does not exist any more, or the key does not open it. Start another one.");
  } else if (code === "job_already_finished") {
    job.cancelRequested = false;
    render();
  } else {
    job.cancelRequested = false;
    render();
    panel.notify(`${panel.sentence(message)} (${[code, requestId].filter(Boolean).join(", ")})`);
  }
}

async function ended() {
  watcher.close();
  if (job.status === "completed") await fetchResults();
}

/** Results that were too large for a message. */
async function fetchResults() {
  if (job.results !== null || job.status !== "completed") return;
  try {
    job.results = await http.results(ticket);
    render();
  } catch (error) {
    panel.notify(`The results could not be fetched: ${panel.inWords(error)}`);
  }
}

async function connection({ state, retryInMs }) {
  const seconds = Math.ceil((retryInMs ?? 0) / 1000);
  const words = {
    connecting: watcher.attempts > 0 ? "Reconnecting…" : "Connecting…",
    live: "Live",
    waiting: navigator.onLine
      ? `Connection lost, trying again${seconds > 1 ? ` in ${seconds} s` : ""}…`
      : "Offline",
    closed: "",
  };
  panel.connection(state, words[state]);
  if (state === "live") panel.notify(null);
  // A handshake that is refused says not why; the HTTP API does.
  if (state === "waiting" && watcher.attempts >= 2) await look();
}

/** Asks for the job over HTTP, while there is no connection. */
async function look() {
  const looking = ticket;
  try {
    const now = await http.job(looking);
    if (looking !== ticket || hasEnded(job)) return;
    snapshot(job, now);
    render();
    if (hasEnded(job)) ended();
  } catch (error) {
    if (looking !== ticket) return;
    if (error.status === 403 || error.status === 404) {
      refused({ code: "forbidden" });
    } else {
      panel.notify(panel.inWords(error));
    }
  }
}

async function cancel() {
  job.cancelRequested = true;
  render();
  if (watcher.cancel()) return;
  try {
    await http.cancel(ticket);
  } catch (error) {
    job.cancelRequested = false;
    render();
    if (error.status !== 409) panel.notify(panel.inWords(error));
  }
}

function reset() {
  watcher?.close();
  watcher = null;
  ticket = null;
  job = newJob();
  sessionStorage.removeItem(STORE);
  panel.clear();
  render();
  document.title = "Stagecast";
  panel.show("empty");
}

function render() {
  panel.render(job, ticket !== null);
}
