/** `useJob`: a job in a React component. */

import { useCallback, useEffect, useRef, useState } from "react";
import { StagecastError } from "./errors.js";
import type { WatchedJob } from "./job.js";
import type { Transport, WatchOptions, WatchState } from "./options.js";
import { type JobWatch, watchJob } from "./watch.js";

/** A job as a component sees it. */
export interface Job {
  /** As it is known by now; null before anything is, and without a job. */
  readonly snapshot: WatchedJob | null;
  readonly state: WatchState;
  readonly transport: Transport | null;
  /** Why the watch has ended before the job, otherwise null. */
  readonly error: unknown;
  /** Asks the job to stop, as `cancel()` of a watch does; always the same function. Rejects without a job. */
  readonly cancel: () => Promise<void>;
}

type Seen = Omit<Job, "cancel">;

const NOTHING: Seen = { snapshot: null, state: "connecting", transport: null, error: null };

/**
 * Watches a job while the component is mounted; `null` watches none. Another `url`, `jobId`,
 * `accessKey` or `httpApi` starts another watch; a `url` that is a function is asked for each
 * connection and may change freely.
 */
export function useJob(options: WatchOptions | null): Job {
  const [seen, setSeen] = useState({ of: "", job: NOTHING });
  const watching = useRef<JobWatch | null>(null);
  const latest = useRef(options);
  latest.current = options;

  const address = typeof options?.url === "function" ? "a function" : String(options?.url);
  const identity = [address, options?.jobId, options?.accessKey, String(options?.httpApi)].join(
    " ",
  );

  // The identity stands for the options, which are another object with every render.
  useEffect(() => {
    setSeen({ of: identity, job: NOTHING });
    const given = latest.current;
    if (given === null) return;
    const url = () => {
      const now = latest.current?.url ?? given.url;
      return typeof now === "function" ? now() : now;
    };
    const watch = watchJob({ ...given, url });
    watching.current = watch;
    const unknown = watch.snapshot;
    let isKnown = false;
    const look = () => {
      const { snapshot, state, transport, error } = watch;
      isKnown ||= snapshot !== unknown || transport !== null;
      const job = { snapshot: isKnown ? snapshot : null, state, transport, error };
      setSeen({ of: identity, job });
    };
    watch.addEventListener("change", look);
    watch.addEventListener("state", look);
    look();
    return () => {
      watch.removeEventListener("change", look);
      watch.removeEventListener("state", look);
      watch.close();
      watching.current = null;
    };
  }, [identity]);

  const cancel = useCallback(async () => {
    if (!watching.current) throw new StagecastError("there is no job to cancel");
    await watching.current.cancel();
  }, []);
  // Until the effect has run, what was seen is of the job before.
  return { ...(seen.of === identity ? seen.job : NOTHING), cancel };
}
