/** The HTTP API. */

import type { JobSnapshot } from "../../generated/messages.js";
import { StagecastError } from "./errors.js";

/** What opens a job. */
export interface JobKey {
  readonly jobId: string;
  readonly accessKey: string;
}

/** The answer to a new job. */
export interface CreatedJob {
  job_id: string;
  /** Shown this once: keep it. */
  access_key: string;
  /** The WebSocket API, for `watchJob`. */
  websocket_url: string;
  /** Where the snapshot is, relative to the HTTP API's address. */
  status_url: string;
  /** What lets an external worker run the job, if it was made for one. Shown this once. */
  worker_key?: string;
}

export interface HttpApiOptions {
  /** In place of the global `fetch`. */
  fetch?: typeof fetch | undefined;
  /** Passed to `JSON.parse` with each answer: see `Reviver`. */
  reviver?: Reviver | undefined;
}

/**
 * The second parameter of `JSON.parse`. Results hold any JSON, and a JavaScript number holds only some of
 * it: no integers beyond 2^53, no more than 17 digits, `1e400` as `Infinity`. Where the engine has
 * `context.source` (Node 22, Chrome 114, Firefox 135, Safari 18.4), a reviver can keep the digits.
 */
export type Reviver = (key: string, value: unknown, context?: { source?: string }) => unknown;

export interface RequestOptions {
  signal?: AbortSignal | undefined;
}

export interface CreateJobOptions extends RequestOptions {
  /** Keeps the job for an external worker, which gets the answer's `worker_key`. */
  worker?: "external";
  /** The media type of the input, if it is not a `Blob` that has one. */
  contentType?: string;
  /** Sent along, for example an `authorization` where only bearers of a token may create jobs. */
  headers?: Record<string, string>;
}

/** The HTTP API of a Stagecast system. */
export class HttpApi {
  /** Without a slash at its end. */
  readonly base: string;
  #fetch: typeof fetch;
  #reviver: Reviver | undefined;

  constructor(base: string | URL, options: HttpApiOptions = {}) {
    this.base = String(base).replace(/\/+$/, "");
    this.#fetch = options.fetch ?? ((...request) => fetch(...request));
    this.#reviver = options.reviver;
  }

  /** Makes a job from an input. */
  createJob(
    input: Blob | ArrayBuffer | ArrayBufferView<ArrayBuffer>,
    options: CreateJobOptions = {},
  ): Promise<CreatedJob> {
    const type = options.contentType ?? (input instanceof Blob ? input.type : "");
    const query = options.worker ? `?${new URLSearchParams({ worker: options.worker })}` : "";
    return this.#request(`/v1/jobs${query}`, {
      method: "POST",
      body: input,
      headers: { ...(type && { "content-type": type }), ...options.headers },
      signal: options.signal ?? null,
    });
  }

  /** The job as it is now. */
  job(key: JobKey, options: RequestOptions = {}): Promise<JobSnapshot> {
    return this.#request(path(key), { ...authorized(key), signal: options.signal ?? null });
  }

  /** The results of a completed job, or those of one of its stages. */
  results(key: JobKey, options: RequestOptions & { stage?: string } = {}): Promise<unknown> {
    const query = options.stage ? `?${new URLSearchParams({ stage: options.stage })}` : "";
    return this.#request(`${path(key)}/results${query}`, {
      ...authorized(key),
      signal: options.signal ?? null,
    });
  }

  /** Asks the job to stop; its last message says when it has. */
  async cancel(key: JobKey, options: RequestOptions = {}): Promise<void> {
    await this.#request(path(key), {
      method: "DELETE",
      ...authorized(key),
      signal: options.signal ?? null,
    });
  }

  async #request<Answer>(at: string, request: RequestInit): Promise<Answer> {
    let answer: Response;
    let body: unknown;
    try {
      answer = await this.#fetch(this.base + at, request);
      const text = await answer.text();
      // Null is an answer too: results may be.
      body = parse(text, this.#reviver);
    } catch (cause) {
      if (request.signal?.aborted) throw cause;
      throw new StagecastError(
        `the service at ${this.base} cannot be reached; check the connection and try again`,
        { status: 0 },
        { cause },
      );
    }
    if (answer.ok && body !== undefined) return body as Answer;
    throw refusal(answer, body);
  }
}

/** Undefined if it is no JSON. */
function parse(text: string, reviver?: Reviver): unknown {
  try {
    return JSON.parse(text, reviver);
  } catch {
    return undefined;
  }
}

function path({ jobId }: JobKey): string {
  return `/v1/jobs/${encodeURIComponent(jobId)}`;
}

function authorized({ accessKey }: JobKey) {
  return { headers: { authorization: `Bearer ${accessKey}` } };
}

interface ErrorBody {
  error?: { code?: string; message?: string; request_id?: string };
  /** API Gateway answers some requests itself, with a `message` and no more. */
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
