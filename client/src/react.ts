/** The React hook `useJob`. */

import { useCallback, useEffect, useRef, useState } from "react";
import { StagecastError } from "./errors.js";
import type { WatchedJob } from "./job.js";
import type { Transport, WatchOptions, WatchState } from "./options.js";
import { type JobWatch, watchJob } from "./watch.js";

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

  const address = typeof options?.url === "function" ? "a function" : String(options?.url);
  const identity = [address, options?.jobId, options?.accessKey, String(options?.httpApi)].join(
    " ",
  );

  // `identity` replaces the options, which are a new object in every render.
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
