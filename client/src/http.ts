/** The client of the HTTP API. */

import type { JobSnapshot, JobStatus } from "../../generated/messages.js";
import { StagecastError } from "./errors.js";
import type { DurableMessage } from "./messages.js";
import { type Token, TokenSource } from "./token.js";
import type { Upload, UploadOptions, UploadState } from "./upload-control.js";

/** The id of a job and the key that authorizes watching and cancelling it. */
export interface JobKey {
  readonly jobId: string;
  /** Without a key, the `token` of the `HttpApi` authorizes the request. */
  readonly accessKey?: string | undefined;
}

/** A page of the jobs of an owner, newest first. */
export interface JobsPage {
  /** The states of the jobs, without results and artifacts. */
  jobs: JobSnapshot[];
  /** The `cursor` of the next page; null if this is the last one. */
  next_cursor: string | null;
}

/** Which jobs of an owner are listed. */
export interface ListOptions extends RequestOptions {
  /** The owner of the token, who is the default. */
  owner?: string | undefined;
  status?: JobStatus | undefined;
  labels?: Record<string, string> | undefined;
  /** The `next_cursor` of the page before. */
  cursor?: string | null | undefined;
}

/** The response to a new job. */
export interface CreatedJob {
  job_id: string;
  /** Returned only once: store it. */
  access_key: string;
  /** The URL of the WebSocket API, for `watchJob`. */
  websocket_url: string;
  /** The URL of the snapshot, relative to the HTTP API's address. */
  status_url: string;
  /**
   * Authorizes an external worker to run the job, if it was created for one. Returned only once.
   */
  worker_key?: string;
  /** How to upload the input; present until the job has its input. */
  upload?: Upload;
}

/** Durable messages of a job, and the state to which they lead. */
export interface JobEvents {
  job_id: string;
  /**
   * Whether the log still contained every message after `afterSeq`. If not, `events` is empty: use
   * the snapshot instead.
   */
  recovered: boolean;
  /** The messages in the order of `seq`. */
  events: DurableMessage[];
  /** The `afterSeq` of the next request. */
  next_after_seq: number;
  /** Whether more messages follow that did not fit. Then request them at once. */
  more: boolean;
  /** Seconds until the next request; null if the job has ended and `events` has its end. */
  retry_after: number | null;
  /** The state of the job. It is never older than `events`. */
  snapshot: JobSnapshot;
}

export interface HttpApiOptions {
  /** Replaces the global `fetch`. */
  fetch?: typeof fetch | undefined;
  /** Passed to `JSON.parse` for each response: see `Reviver`. */
  reviver?: Reviver | undefined;
  /** The owner token of requests without an access key, and of new jobs. */
  token?: Token | undefined;
}

/**
 * The second parameter of `JSON.parse`. Results can be any JSON, and JavaScript numbers cannot
 * represent all of it: not integers beyond 2^53, not more than 17 digits, and `1e400` becomes
 * `Infinity`. Where the engine has `context.source` (Node 22, Chrome 114, Firefox 135, Safari
 * 18.4), a reviver can keep the digits.
 */
export type Reviver = (key: string, value: unknown, context?: { source?: string }) => unknown;

export interface RequestOptions {
  signal?: AbortSignal | undefined;
}

/** The fields of a job description beside its input. Undefined fields are left out. */
interface Description {
  /** A JSON object of at most 16 KB for the stages of the job. */
  parameters?: Record<string, unknown> | undefined;
  /** Names and values that the job's snapshot contains. */
  labels?: Record<string, string> | undefined;
  /** Time limits in seconds: of the wait for the first claim, and from there to the end of the job. */
  limits?: { queue_seconds?: number; run_seconds?: number } | undefined;
  /** The time before which the job does not start, at most 30 days ahead, as `toISOString()` writes it. */
  run_at?: string | undefined;
  /** How many days the job is kept, at most as many as the environment keeps jobs. */
  retention_days?: number | undefined;
  /** The webhook of the job, as far as the environment permits: its URL, and the types of messages that are posted. */
  webhook?: { url?: string; events?: string[] } | undefined;
}

/** Which external workers run the job. Without these, the pipeline does. */
interface Route {
  /** Reserves the job for an external worker, which needs the response's `worker_key`. */
  worker?: "external" | undefined;
  /** The queue from which external workers claim the job; the product declares its queues. */
  queue?: string | undefined;
  /** The priority in `queue`: a whole number from 0 to 9, higher ones first; 5 by default. */
  priority?: number | undefined;
}

/**
 * Inputs over `maxBodyBytes`, and jobs with a field of the description, such as parameters or limits, are
 * created from a description; a described input is uploaded to the storage of inputs.
 */
export interface CreateJobOptions extends RequestOptions, UploadOptions, Description, Route {
  /** The media type of the input, unless it is a `Blob` with a type. */
  contentType?: string;
  /**
   * Called when the job exists, before its input is uploaded. Store its id and access key: with them
   * and the same input, `uploadInput` resumes an upload that was interrupted.
   */
  onCreated?: (created: CreatedJob) => void;
  /** Size in bytes up to which an input is the body of the request: 4 MB by default. */
  maxBodyBytes?: number;
  /** Additional headers, such as an `authorization` if creating jobs requires a token. */
  headers?: Record<string, string>;
}

/** The media type of a job description. */
const JOB_DESCRIPTION = "application/vnd.stagecast.job+json";

/** Largest input that is the body of a request, in bytes. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;

/** The HTTP API of a Stagecast stack. */
export class HttpApi {
  /** The base URL without a trailing slash. */
  readonly base: string;
  #fetch: typeof fetch;
  #customFetch: typeof fetch | undefined;
  #reviver: Reviver | undefined;
  #token: TokenSource | null;

  constructor(base: string | URL, options: HttpApiOptions = {}) {
    this.base = String(base).replace(/\/+$/, "");
    this.#fetch = options.fetch ?? ((...request) => fetch(...request));
    this.#customFetch = options.fetch;
    this.#reviver = options.reviver;
    this.#token = options.token === undefined ? null : new TokenSource(options.token);
  }

  /**
   * Creates a job from an input. An input that is too large for a request is uploaded; the promise then
   * resolves when the upload is complete and the job is queued.
   */
  async createJob(
    input: Blob | ArrayBuffer | ArrayBufferView<ArrayBuffer>,
    options: CreateJobOptions = {},
  ): Promise<CreatedJob> {
    const type = options.contentType ?? (input instanceof Blob ? input.type : "");
    const size = input instanceof Blob ? input.size : input.byteLength;
    const isDescribed = JSON.stringify(descriptionOf(options)) !== "{}";
    if (size > (options.maxBodyBytes ?? MAX_BODY_BYTES) || (isDescribed && size > 0)) {
      const blob = input instanceof Blob ? input : new Blob([input]);
      return this.#createByUpload(blob, type, options);
    }
    const created = isDescribed
      ? await this.#describe(undefined, options)
      : await this.#createFromBody(input, type, options);
    options.onCreated?.(created);
    return created;
  }

  /**
   * Uploads what is missing of the input of a job, and queues the job. Resumes an upload that was
   * interrupted, on any machine, with the same input.
   */
  async uploadInput(key: JobKey, input: Blob, options: UploadOptions = {}): Promise<UploadState> {
    return this.#upload(key, input, undefined, options);
  }

  async #createByUpload(input: Blob, type: string, options: CreateJobOptions): Promise<CreatedJob> {
    const described = { content_type: type || "application/octet-stream", size: input.size };
    const created = await this.#describe(described, options);
    options.onCreated?.(created);
    const key = { jobId: created.job_id, accessKey: created.access_key };
    await this.#upload(key, input, created.upload, options);
    return created;
  }

  async #upload(
    key: JobKey,
    input: Blob,
    known: Upload | undefined,
    options: UploadOptions,
  ): Promise<UploadState> {
    const request = (method: string) => this.#ask<UploadState>(key, "/upload", options, method);
    const requests = {
      state: () => request("GET"),
      complete: () => request("POST"),
      fetch: this.#customFetch,
    };
    // Most pages upload nothing large.
    const { sendInput } = await import("./upload.js");
    return sendInput(requests, input, known, options);
  }

  async #describe(input: object | undefined, options: CreateJobOptions): Promise<CreatedJob> {
    const authorization = await this.#authorization();
    return this.#request("/v1/jobs", {
      method: "POST",
      body: JSON.stringify({ ...descriptionOf(options), ...routeOf(options), input }),
      headers: { "content-type": JOB_DESCRIPTION, ...authorization, ...options.headers },
      signal: options.signal ?? null,
    });
  }

  async #createFromBody(
    input: Blob | ArrayBuffer | ArrayBufferView<ArrayBuffer>,
    type: string,
    options: CreateJobOptions,
  ): Promise<CreatedJob> {
    // Without undefined values.
    const route = JSON.parse(JSON.stringify(routeOf(options)));
    const query = `${new URLSearchParams(route)}`;
    return this.#request(`/v1/jobs${query && `?${query}`}`, {
      method: "POST",
      body: input,
      headers: {
        ...(type && { "content-type": type }),
        ...(await this.#authorization()),
        ...options.headers,
      },
      signal: options.signal ?? null,
    });
  }

  /** Fetches the job's current snapshot. */
  job(key: JobKey, options?: RequestOptions): Promise<JobSnapshot> {
    return this.#ask(key, "", options);
  }

  /**
   * Fetches the durable messages after `afterSeq`, from the first one by default, and the snapshot.
   * A response has at most 1 MB of messages.
   */
  events(key: JobKey, options?: RequestOptions & { afterSeq?: number }): Promise<JobEvents> {
    return this.#ask(key, `/events?after_seq=${options?.afterSeq ?? 0}`, options);
  }

  /** Fetches the results of a completed job, or of one of its stages. */
  results(key: JobKey, options?: RequestOptions & { stage?: string }): Promise<unknown> {
    const { stage } = options ?? {};
    const query = stage ? `?${new URLSearchParams({ stage })}` : "";
    return this.#ask(key, `/results${query}`, options);
  }

  /**
   * Fetches an artifact: a file that the job has produced. Resolves with the response once its headers are
   * there; its body can be read as a `blob()` or as a stream.
   */
  artifact(key: JobKey, name: string, options?: RequestOptions): Promise<Response> {
    return this.#ask(key, `/artifacts/${encodeURIComponent(name)}`, options, "GET", true);
  }

  /**
   * The URL of an artifact, which is valid for 15 minutes and needs no key: a browser that follows it saves
   * the file under its name.
   */
  async artifactUrl(key: JobKey, name: string, options?: RequestOptions): Promise<string> {
    // Pages cannot read where a redirect leads to before they have followed it.
    const answer = await this.artifact(key, name, options);
    await answer.body?.cancel();
    return answer.url;
  }

  /** Requests the cancellation of the job. `job_cancelled` follows when the job has stopped. */
  async cancel(key: JobKey, options?: RequestOptions): Promise<void> {
    await this.#ask(key, "", options, "DELETE");
  }

  /** Lists jobs of the token's owner, newest first. */
  async jobs(options: ListOptions = {}): Promise<JobsPage> {
    const query = new URLSearchParams();
    for (const name of ["owner", "status", "cursor"] as const) {
      const value = options[name];
      if (value) query.set(name, value);
    }
    for (const [name, value] of Object.entries(options.labels ?? {})) {
      query.set(`label.${name}`, value);
    }
    const request = { headers: await this.#authorization(), signal: options.signal ?? null };
    return this.#request(`/v1/jobs?${query}`, request);
  }

  /** The header with the access key or, without one, with the token, if there is one. */
  async #authorization(accessKey?: string): Promise<Record<string, string>> {
    const bearer = accessKey ?? (await this.#token?.get());
    return bearer === undefined ? {} : { authorization: `Bearer ${bearer}` };
  }

  /** Sends a request about a job. */
  async #ask<Answer>(
    key: JobKey,
    what: string,
    options?: RequestOptions,
    method = "GET",
    isFile = false,
  ): Promise<Answer> {
    const request = {
      method,
      headers: await this.#authorization(key.accessKey),
      signal: options?.signal ?? null,
    };
    return this.#request(`/v1/jobs/${encodeURIComponent(key.jobId)}${what}`, request, isFile);
  }

  /** Resolves with the JSON of the response or, if it `isFile`, with the response. */
  async #request<Answer>(at: string, request: RequestInit, isFile = false): Promise<Answer> {
    let answer: Response;
    let body: unknown;
    try {
      answer = await this.#fetch(this.base + at, request);
      if (isFile && answer.ok) return answer as Answer;
      const text = await answer.text();
      // `null` is a valid response: results can be `null`.
      body = parse(text, this.#reviver);
    } catch (cause) {
      if (request.signal?.aborted) throw cause;
      throw new StagecastError(
        `cannot reach the service at ${this.base}; check the connection and try again`,
        { status: 0 },
        { cause },
      );
    }
    if (answer.ok && body !== undefined) return body as Answer;
    // The next request has another token, if there is a function for it.
    if (answer.status === 401) this.#token?.forget();
    throw refusal(answer, body);
  }
}

function descriptionOf(options: Description): Description {
  const { parameters, labels, limits, run_at, retention_days, webhook } = options;
  return { parameters, labels, limits, run_at, retention_days, webhook };
}

function routeOf({ worker, queue, priority }: Route): Route {
  return { worker, queue, priority };
}

/** Returns undefined if the text is not JSON. */
function parse(text: string, reviver?: Reviver): unknown {
  try {
    return JSON.parse(text, reviver);
  } catch {
    return undefined;
  }
}

interface ErrorBody {
  error?: { code?: string; message?: string; request_id?: string };
  /** API Gateway's own error responses have only a `message`. */
  message?: string;
  Message?: string;
}

function refusal(answer: Response, body: unknown): StagecastError {
  const { error, message, Message } = (body ?? {}) as ErrorBody;
  const words = error?.message ?? message ?? Message;
  return new StagecastError(words ?? `the service answered with status ${answer.status}`, {
    code: error?.code ?? null,
    status: answer.status,
    requestId: error?.request_id ?? answer.headers.get("x-request-id"),
  });
}
