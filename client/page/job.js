/** A job as the page shows it, and how messages change it. */

const ENDED = new Set(["completed", "failed", "cancelled"]);

export function newJob() {
  return {
    status: "queued",
    /** By name, in the order in which messages named them. */
    stages: new Map(),
    overall: 0,
    message: "",
    /** When it should end, in milliseconds since 1970; null while unknown. */
    endsAt: null,
    results: null,
    resultsUrl: null,
    error: null,
    cancelRequested: false,
  };
}

export function hasEnded(job) {
  return ENDED.has(job.status);
}

/** Changes the job by a server message; false if the message is not about its state. */
export function apply(job, message) {
  switch (message.type) {
    case "subscribed":
      snapshot(job, message.status);
      return true;
    case "job_status":
      snapshot(job, message);
      return true;
    case "progress_update":
      progress(job, message);
      return true;
    case "stage_complete":
      complete(stage(job, message.stage), message);
      return true;
    case "job_complete":
      end(job, "completed");
      job.results = message.results ?? null;
      job.resultsUrl = message.results_url ?? null;
      return true;
    case "job_failed":
      end(job, "failed", message.stage);
      job.error = message.error;
      return true;
    case "job_cancelled":
      end(job, "cancelled", message.stage);
      return true;
    case "cancel_requested":
      job.cancelRequested = true;
      return true;
    default:
      return false;
  }
}

export function snapshot(job, now) {
  if (hasEnded(job) || !now) return;
  if (now.stage && !stage(job, now.stage).done) {
    stage(job, now.stage).progress = now.progress;
    stage(job, now.stage).message = now.message;
  }
  job.overall = Math.max(job.overall, now.overall_progress);
  job.message = now.message;
  remaining(job, now.estimated_seconds_remaining);
  job.status = now.status;
  if (!ENDED.has(now.status)) return;
  end(job, now.status, now.stage);
  job.results = now.results ?? null;
  job.resultsUrl = now.results_url ?? null;
  job.error = now.error ?? null;
}

function progress(job, message) {
  const current = stage(job, message.stage);
  // It may be overtaken by the end of its stage, which is sent apart.
  if (hasEnded(job) || current.done) return;
  job.status = "running";
  job.message = message.message;
  job.overall = message.overall_progress ?? job.overall;
  remaining(job, message.estimated_seconds_remaining);
  current.progress = message.progress;
  current.message = message.message;
}

function complete(current, message) {
  current.done = true;
  current.progress = 100;
  current.message = "";
  current.results = message.results ?? null;
}

function end(job, status, stopped) {
  job.status = status;
  job.endsAt = null;
  job.message = "";
  if (status === "completed") {
    job.overall = 100;
    for (const each of job.stages.values()) {
      each.done = true;
      each.progress = 100;
    }
  } else if (stopped) {
    stage(job, stopped).stopped = status;
  }
}

function stage(job, name) {
  let found = job.stages.get(name);
  if (!found) {
    found = { name, progress: 0, message: "", done: false, stopped: null, results: null };
    job.stages.set(name, found);
  }
  return found;
}

function remaining(job, seconds) {
  job.endsAt = Number.isFinite(seconds) ? Date.now() + seconds * 1000 : null;
}
