/** The options and events of a watch. */

import type { WebSocketConstructor } from "./connection.js";
import type { StagecastError } from "./errors.js";
import type { Reviver } from "./http.js";
import type { WatchedJob } from "./job.js";
import type { ListedJob } from "./job-list.js";
import type { JobMessage } from "./messages.js";
import type { Token } from "./token.js";

export interface WatchOptions {
  /**
   * The URL of the WebSocket API with its stage: `websocket_url` of the response to a new job. A
   * function is called for each connection, which allows URLs that contain a short-lived token.
   */
  url: string | URL | (() => string | URL | Promise<string | URL>);
  jobId: string;
  /** The access key of the job, unless there is a `token`. */
  accessKey?: string | undefined;
  /** An owner token for the job, with the scope `watch`, and `cancel` to cancel. */
  token?: Token | undefined;
  /** The URL of the HTTP API, which is polled where WebSockets are blocked. */
  httpApi?: string | URL | undefined;
  /** Skip the durable messages up to this `seq`. */
  afterSeq?: number | undefined;
  /** Ends the watch. Iterators throw its `reason`. */
  signal?: AbortSignal | undefined;
  /**
   * Replaces the global `WebSocket`, which Node has from version 22. Node 20 can use the package
   * `ws`.
   */
  WebSocket?: WebSocketConstructor | undefined;
  /** Replaces the global `fetch`. */
  fetch?: typeof fetch | undefined;
  /** Passed to `JSON.parse` for each message: see `Reviver`. */
  reviver?: Reviver | undefined;
}

/** The options of a watch on all jobs of an owner. */
export interface WatchJobsOptions
  extends Pick<WatchOptions, "url" | "signal" | "WebSocket" | "fetch" | "reviver"> {
  /** The owner, who must be that of the token. */
  owner: string;
  /** An owner token with the scope `watch`. */
  token: Token;
  /** The URL of the HTTP API, which lists the jobs. */
  httpApi: string | URL;
  /**
   * The least number of jobs that are listed at the start, the newest ones; 100 by default. An older job is added by its next
   * message.
   */
  limit?: number | undefined;
}

/**
 * - `connecting`: nothing has been received yet
 * - `live`: messages arrive as the job sends them
 * - `resuming`: the watch was live and reconnects
 * - `ended`: the job or the watch has ended
 */
export type WatchState = "connecting" | "live" | "resuming" | "ended";

/** How a `live` watch receives the job's state. */
export type Transport = "websocket" | "http";

/** The events of a watch, with the type of their `detail`. */
export interface WatchEvents {
  /** A message of the job: durable ones exactly once and in order, progress only if it is newer. */
  message: CustomEvent<JobMessage>;
  /** `snapshot` has changed. */
  change: CustomEvent<WatchedJob>;
  /** `state`, `transport` or `retryAt` has changed. */
  state: CustomEvent<WatchState>;
  /**
   * A recoverable error: the service rejected a request, or no `WebSocket` can be created and HTTP
   * is used instead. The watch continues.
   */
  warning: CustomEvent<StagecastError>;
  /** Every frame that is sent or received, without access keys and tokens. */
  frame: CustomEvent<{ direction: "in" | "out"; frame: object }>;
}

/** The events of a watch on the jobs of an owner, with the type of their `detail`. */
export interface JobsWatchEvents extends Pick<WatchEvents, "state" | "warning" | "frame"> {
  /**
   * A message of a job, `job_id`: durable ones of each job exactly once and in order. Jobs in the first list begin after their
   * state in it; every other job begins with its first message.
   */
  message: CustomEvent<JobMessage>;
  /** `jobs` has changed. */
  change: CustomEvent<readonly ListedJob[]>;
}
