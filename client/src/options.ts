/** The options and events of a watch. */

import type { WebSocketConstructor } from "./connection.js";
import type { StagecastError } from "./errors.js";
import type { Reviver } from "./http.js";
import type { WatchedJob } from "./job.js";
import type { JobMessage } from "./messages.js";

export interface WatchOptions {
  /**
   * The URL of the WebSocket API with its stage: `websocket_url` of the response to a new job. A
   * function is called for each connection, which allows URLs that contain a short-lived token.
   */
  url: string | URL | (() => string | URL | Promise<string | URL>);
  jobId: string;
  accessKey: string;
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
  /** Every frame that is sent or received, without access keys. */
  frame: CustomEvent<{ direction: "in" | "out"; frame: object }>;
}
