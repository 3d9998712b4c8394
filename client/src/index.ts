/** Watches a Stagecast job: typed messages, durable ones exactly once and in order. */

export type * from "../../generated/messages.js";
export type { WebSocketConstructor, WebSocketLike } from "./connection.js";
export { StagecastError } from "./errors.js";
export type {
  CreatedJob,
  CreateJobOptions,
  HttpApiOptions,
  JobEvents,
  JobKey,
  JobsPage,
  ListOptions,
  RequestOptions,
  Reviver,
} from "./http.js";
export { HttpApi } from "./http.js";
export type { WatchedJob, WatchedStage, WorkAmount } from "./job.js";
export type { ListedJob } from "./job-list.js";
export type { DurableMessage, EndMessage, JobMessage, ProgressMessage } from "./messages.js";
export { hasEnded } from "./messages.js";
export type {
  JobsWatchEvents,
  Transport,
  WatchEvents,
  WatchJobsOptions,
  WatchOptions,
  WatchState,
} from "./options.js";
export type { Token } from "./token.js";
export type {
  Upload,
  UploadOptions,
  UploadPart,
  UploadProgress,
  UploadState,
} from "./upload-control.js";
export { UploadControl } from "./upload-control.js";
export { JobWatch, watchJob } from "./watch.js";
export { JobsWatch, watchJobs } from "./watch-jobs.js";
