/** The React hooks `useJob` and `useJobs`. */

import { useCallback, useEffect, useRef, useState } from "react";
import { StagecastError } from "./errors.js";
import type { WatchedJob } from "./job.js";
import type { ListedJob } from "./job-list.js";
import type { Transport, WatchJobsOptions, WatchOptions, WatchState } from "./options.js";
import type { Token } from "./token.js";
import { type JobWatch, watchJob } from "./watch.js";
import { watchJobs } from "./watch-jobs.js";

/** The state of a watched job in a component. */
export interface Job {
  /** The known state of the job; null before its first message and without a job. */
  readonly snapshot: WatchedJob | null;
  readonly state: WatchState;
  readonly transport: Transport | null;
  /** Why the watch ended before the job; null otherwise. */
  readonly error: unknown;
  /**
   * Requests the cancellation of the job, as `JobWatch.cancel()` does. The function is the same in
   * every render. Rejects without a job.
   */
  readonly cancel: () => Promise<void>;
}

type Seen = Omit<Job, "cancel">;

const NOTHING: Seen = { snapshot: null, state: "connecting", transport: null, error: null };

/**
 * Watches a job while the component is mounted; `null` watches none. A change of `url`, `jobId`,
 * `accessKey` or `httpApi` starts another watch; a `url` that is a function is called for each
 * connection and may change in every render.
 */
export function useJob(options: WatchOptions | null): Job {
  const [seen, setSeen] = useState({ of: "", job: NOTHING });
  const watching = useRef<JobWatch | null>(null);
  const latest = useRef(options);
  latest.current = options;

  const identity = identityOf(
    options?.url,
    options?.jobId,
    options?.accessKey,
    options?.token,
    String(options?.httpApi),
  );

  // `identity` replaces the options, which are a new object in every render.
  useEffect(() => {
    setSeen({ of: identity, job: NOTHING });
    const given = latest.current;
    if (given === null) return;
    const url = () => called(latest.current?.url ?? given.url);
    const token = given.token && tokenOf(() => latest.current?.token ?? given.token);
    const watch = watchJob({ ...given, url, token });
    watching.current = watch;
    const unknown = watch.snapshot;
    let isKnown = false;
    const update = () => {
      const { snapshot, state, transport, error } = watch;
      isKnown ||= snapshot !== unknown || transport !== null;
      const job = { snapshot: isKnown ? snapshot : null, state, transport, error };
      setSeen({ of: identity, job });
    };
    watch.addEventListener("change", update);
    watch.addEventListener("state", update);
    update();
    return () => {
      watch.removeEventListener("change", update);
      watch.removeEventListener("state", update);
      watch.close();
      watching.current = null;
    };
  }, [identity]);

  const cancel = useCallback(async () => {
    if (!watching.current) throw new StagecastError("there is no job to cancel");
    await watching.current.cancel();
  }, []);
  // Until the effect has run, the state is that of the previous job.
  return { ...(seen.of === identity ? seen.job : NOTHING), cancel };
}

/** The state of the jobs of an owner in a component. */
export interface Jobs {
  /** The known jobs, newest first; null before the first list and without options. */
  readonly jobs: readonly ListedJob[] | null;
  readonly state: WatchState;
  readonly transport: Transport | null;
  /** Why the watch has ended; null otherwise. */
  readonly error: unknown;
}

const NO_JOBS: Jobs = { jobs: null, state: "connecting", transport: null, error: null };

/**
 * Watches all jobs of an owner while the component is mounted; `null` watches none. A change of `url`, `owner`, `httpApi`,
 * `limit` or of a `token` that is a string starts another watch; functions may change in every render.
 */
export function useJobs(options: WatchJobsOptions | null): Jobs {
  const [seen, setSeen] = useState({ of: "", list: NO_JOBS });
  const latest = useRef(options);
  latest.current = options;

  const identity = identityOf(
    options?.url,
    options?.owner,
    options?.token,
    String(options?.httpApi),
    options?.limit,
  );

  // `identity` replaces the options, which are a new object in every render.
  useEffect(() => {
    setSeen({ of: identity, list: NO_JOBS });
    const given = latest.current;
    if (given === null) return;
    const url = () => called(latest.current?.url ?? given.url);
    const token = tokenOf(() => latest.current?.token ?? given.token);
    const watch = watchJobs({ ...given, url, token });
    const update = () => {
      const { state, transport, error } = watch;
      const jobs = watch.isKnown ? watch.jobs : null;
      setSeen({ of: identity, list: { jobs, state, transport, error } });
    };
    watch.addEventListener("change", update);
    watch.addEventListener("state", update);
    update();
    return () => {
      watch.removeEventListener("change", update);
      watch.removeEventListener("state", update);
      watch.close();
    };
  }, [identity]);

  // Until the effect has run, the state is that of the previous owner.
  return seen.of === identity ? seen.list : NO_JOBS;
}

/** Different for options that need another watch. Functions are called when they are needed. */
function identityOf(...parts: unknown[]): string {
  const of = (part: unknown) => (typeof part === "function" ? "a function" : String(part));
  return JSON.stringify(parts.map(of));
}

function called<Value>(value: Value | (() => Value | Promise<Value>)): Value | Promise<Value> {
  return typeof value === "function" ? (value as () => Value | Promise<Value>)() : value;
}

/** A string stays one, because it cannot be renewed. */
function tokenOf(latest: () => Token | undefined): Token {
  const given = latest();
  return typeof given === "string" ? given : () => called(latest() ?? "");
}
