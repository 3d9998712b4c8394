/** What a watch is told, and what it tells. */

import type { WebSocketConstructor } from "./connection.js";
import type { StagecastError } from "./errors.js";
import type { Reviver } from "./http.js";
import type { WatchedJob } from "./job.js";
import type { JobMessage } from "./messages.js";

export interface WatchOptions {
  /**
   * The WebSocket API, its stage included: `websocket_url` of the answer to a new job. A function is
   * asked for each connection, for addresses that carry a token.
   */
  url: string | URL | (() => string | URL | Promise<string | URL>);
  jobId: string;
  accessKey: string;
  /** The HTTP API. With it, a job can be watched where WebSockets are blocked. */
  httpApi?: string | URL | undefined;
  /** Resume after this `seq`, when the messages up to it are known. */
  afterSeq?: number | undefined;
  /** Ends the watch; whoever iterates gets its `reason` thrown. */
  signal?: AbortSignal | undefined;
  /** In place of the global `WebSocket`, which Node has from version 22: the package `ws` has one. */
  WebSocket?: WebSocketConstructor | undefined;
  /** In place of the global `fetch`. */
  fetch?: typeof fetch | undefined;
  /** Passed to `JSON.parse` with each message: see `Reviver`. */
  reviver?: Reviver | undefined;
}

/**
 * - `connecting`: nothing is known of the job yet
 * - `live`: what the job tells is heard
 * - `resuming`: it was, and is being brought back
 * - `ended`: the job has ended, or its watching
 */
export type WatchState = "connecting" | "live" | "resuming" | "ended";

/** How a watch that is `live` hears of its job. */
export type Transport = "websocket" | "http";

/** The events of a watch; `detail` is what each is about. */
export interface WatchEvents {
  /** A message of the job: durable ones once and in order, progress while it is news. */
  message: CustomEvent<JobMessage>;
  /** `snapshot` is another. */
  change: CustomEvent<WatchedJob>;
  /** `state`, `transport` or `retryAt` is another. */
  state: CustomEvent<WatchState>;
  /**
   * The service has answered something else than what was asked for, or no `WebSocket` can be made and
   * HTTP takes its place. The watch goes on.
   */
  warning: CustomEvent<StagecastError>;
  /** What goes over the wire, without access keys. */
  frame: CustomEvent<{ direction: "in" | "out"; frame: object }>;
}
