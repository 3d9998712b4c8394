/** All that is seen beside the plan: progress, stages, results, notices, messages. */

import { RequestError } from "./http.js";
import { hasEnded } from "./job.js";
import { formatArea, PlanView } from "./plan-view.js";

const LOG_LINES = 200;
const STAGE_NAMES = { stage_1: "Walls", stage_2: "Rooms" };

const at = (id) => document.getElementById(id);

export const plan = new PlanView(document, point);

let logged = 0;
/** When the job should end, in milliseconds since 1970; null while unknown. */
let endsAt = null;
/** Stages whose start has been announced. */
let announced = new Set();

setInterval(renderRemaining, 1000);

/** Forgets the job that was on show. */
export function clear() {
  drawn = null;
  announced = new Set();
  logged = 0;
  plan.hide();
  for (const id of ["stages", "room-list", "log-lines"]) at(id).replaceChildren();
  for (const id of ["failure", "notice", "results"]) at(id).hidden = true;
  connection("none", "");
}

export function connection(state, words) {
  at("connection").dataset.state = state;
  at("connection").textContent = words;
}

/** Shows the `empty` page or that of a `job`. */
export function show(view) {
  document.body.dataset.view = view;
  at("panel").hidden = view === "empty";
  at("drop").hidden = view !== "empty";
  at("log").hidden = view === "empty" || logged === 0;
}

const ENDINGS = {
  completed: "Pick a room to find it in the plan.",
  cancelled: "The job was stopped before its end.",
};

const HEADLINES = {
  queued: "Waiting to start",
  running: "Working",
  completed: "Done",
  failed: "Failed",
  cancelled: "Cancelled",
};

/** Shows a job; `watching` is false before there is one to watch. */
export function render(job, watching) {
  const running = watching && !hasEnded(job);
  endsAt = job.endsAt;
  document.body.dataset.status = job.status;
  at("headline").textContent =
    running && job.cancelRequested ? "Cancelling…" : HEADLINES[job.status];
  at("message").textContent = job.message || (ENDINGS[job.status] ?? "");
  meter(at("overall"), job.overall, `${job.overall} percent of the job`);
  renderRemaining();
  for (const stage of job.stages.values()) renderStage(stage);
  at("cancel").hidden = !running;
  at("cancel").disabled = job.cancelRequested;
  at("again").hidden = running;
  plan.working(running);
  document.title = running
    ? `${job.overall} % · Stagecast`
    : `${HEADLINES[job.status]} · Stagecast`;
  if (job.status === "failed") {
    fail(sentence(job.error?.message ?? "The job failed and did not say why."), job.error?.code);
  }
  at("share").hidden = !watching;
  renderResults(job);
}

function renderRemaining() {
  const seconds = endsAt === null ? null : Math.round((endsAt - Date.now()) / 1000);
  at("remaining").textContent = seconds === null ? "" : `${duration(Math.max(1, seconds))} left`;
}

function renderStage(stage) {
  const id = `stage-${stage.name}`;
  let row = document.getElementById(id);
  if (!row) {
    row = at("stage-row").content.firstElementChild.cloneNode(true);
    row.id = id;
    row.querySelector(".stage-name").textContent = stageName(stage.name);
    row.querySelector(".stage-name").id = `${id}-name`;
    row.querySelector(".meter").setAttribute("aria-labelledby", `${id}-name`);
    at("stages").append(row);
  }
  row.dataset.state = stage.stopped ?? (stage.done ? "done" : "running");
  row.querySelector(".stage-note").textContent = stageNote(stage);
  row.querySelector(".stage-percent").textContent = stage.done ? "" : `${stage.progress} %`;
  meter(row.querySelector(".meter"), stage.progress, `${stage.progress} percent`);
}

function stageNote({ stopped, done, results }) {
  if (stopped) return stopped;
  if (Array.isArray(results?.rooms)) return count(results.rooms.length, "room");
  if (Number.isInteger(results?.segments)) {
    const thickness = results.thickness?.typical;
    return count(results.segments, "wall") + (thickness ? `, ${thickness} px thick` : "");
  }
  return done ? "done" : "";
}

function meter(element, percent, text) {
  element.firstElementChild.style.inlineSize = `${percent}%`;
  element.setAttribute("aria-valuenow", percent);
  element.setAttribute("aria-valuetext", text);
}

/** The rooms that are drawn, as JSON: the stage and the job report the same ones. */
let drawn = null;

function renderResults(job) {
  const results = job.results ?? [...job.stages.values()].at(-1)?.results ?? null;
  const rooms = results?.rooms;
  at("results").hidden = !rooms && !job.results;
  const drawing = rooms ? JSON.stringify(rooms) : null;
  if (rooms && drawing === drawn) return;
  drawn = drawing;
  at("other-results").hidden = Boolean(rooms);
  if (!rooms) {
    at("results-title").textContent = "Results";
    at("other-results").textContent = JSON.stringify(job.results, null, 2);
    return;
  }
  at("results-title").textContent = count(rooms.length, "room");
  const size = job.stages.get("stage_1")?.results?.image;
  if (at("figure").hidden) plan.show(null, size);
  plan.draw(rooms, size);
  at("room-list").replaceChildren(...rooms.map(roomLine));
}

function roomLine(room, index) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = `room-line hue-${index % 8}`;
  button.dataset.room = room.id;
  const { width, height } = room.bounding_box;
  for (const [className, text] of [
    ["room-number", String(room.id)],
    ["room-area", formatArea(room.area)],
    ["room-size", `${width} × ${height}`],
  ]) {
    const part = document.createElement("span");
    part.className = className;
    part.textContent = text;
    button.append(part);
  }
  button.setAttribute(
    "aria-label",
    `Room ${room.id}: ${formatArea(room.area)}, ${width} by ${height}`,
  );
  for (const event of ["pointerenter", "focus"])
    button.addEventListener(event, () => point(room.id));
  for (const event of ["pointerleave", "blur"]) button.addEventListener(event, () => point(null));
  const line = document.createElement("li");
  line.append(button);
  return line;
}

function point(id) {
  plan.highlight(id);
  for (const line of at("room-list").querySelectorAll(".room-line")) {
    line.classList.toggle("pointed", line.dataset.room === String(id));
  }
}

/** Says why it went wrong; `details` are for whoever is asked for help. */
export function fail(words, details) {
  at("failure").textContent = words;
  if (details) {
    const line = document.createElement("small");
    line.textContent = details;
    at("failure").append(line);
  }
  at("failure").hidden = false;
  at("headline").textContent = "Failed";
  at("message").textContent = "";
  at("cancel").hidden = true;
  at("share").hidden = true;
  at("again").hidden = false;
  document.body.dataset.status = "failed";
  document.title = "Failed · Stagecast";
  plan.working(false);
}

export function notify(words) {
  at("notice").textContent = words ?? "";
  at("notice").hidden = words === null;
}

/** Starts and ends are worth saying aloud; each percent is not. */
export function announce(message, job) {
  const name = stageName(message.stage ?? "");
  if (message.type === "progress_update" && !announced.has(message.stage)) {
    announced.add(message.stage);
    say(`${name} started`);
  } else if (message.type === "stage_complete") {
    say(`${name} finished: ${stageNote(job.stages.get(message.stage))}`);
  } else if (message.type === "job_complete") {
    say("The job is done");
  } else if (message.type === "job_cancelled") {
    say("The job was cancelled");
  }
}

function say(words) {
  at("announcer").textContent = words;
}

export function log({ direction, frame }) {
  logged += 1;
  at("log").hidden = false;
  at("log-count").textContent = String(logged);
  const line = document.createElement("li");
  line.dataset.direction = direction;
  const shown = { ...frame };
  if (shown.access_key) shown.access_key = "…";
  line.textContent = JSON.stringify(shown);
  at("log-lines").append(line);
  if (at("log-lines").children.length > LOG_LINES) at("log-lines").firstElementChild.remove();
}

function stageName(name) {
  return STAGE_NAMES[name] ?? sentence(name.replaceAll("_", " "));
}

export function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function count(number, thing) {
  return `${number} ${thing}${number === 1 ? "" : "s"}`;
}

function duration(seconds) {
  if (seconds < 90) return `about ${seconds} s`;
  if (seconds < 90 * 60) return `about ${Math.round(seconds / 60)} min`;
  return `about ${Math.round(seconds / 3600)} h`;
}

export function inWords(error) {
  if (error instanceof RequestError) return sentence(error.message);
  return `Something went wrong on this page: ${error.message}`;
}

export function inDetail(error) {
  return [error.code, error.requestId].filter(Boolean).join(", ");
}
