/** The client of the HTTP API. */

import type { JobSnapshot } from "../../generated/messages.js";
import { StagecastError } from "./errors.js";

/** The id of a job and the key that authorizes watching and cancelling it. */
export interface JobKey {
  readonly jobId: string;
  readonly accessKey: string;
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
}

export interface HttpApiOptions {
  /** Replaces the global `fetch`. */
  fetch?: typeof fetch | undefined;
  /** Passed to `JSON.parse` for each response: see `Reviver`. */
  reviver?: Reviver | undefined;
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

export interface CreateJobOptions extends RequestOptions {
  /** Reserves the job for an external worker, which needs the response's `worker_key`. */
  worker?: "external";
  /** The media type of the input, unless it is a `Blob` with a type. */
  contentType?: string;
  /** Additional headers, such as an `authorization` if creating jobs requires a token. */
  headers?: Record<string, string>;
}

/** The HTTP API of a Stagecast stack. */
export class HttpApi {
  /** The base URL without a trailing slash. */
  readonly base: string;
  #fetch: typeof fetch;
  #reviver: Reviver | undefined;

  constructor(base: string | URL, options: HttpApiOptions = {}) {
    this.base = String(base).replace(/\/+$/, "");
    this.#fetch = options.fetch ?? ((...request) => fetch(...request));
    this.#reviver = options.reviver;
  }

  /** Creates a job from an input. */
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

  /** Fetches the job's current snapshot. */
  job(key: JobKey, options: RequestOptions = {}): Promise<JobSnapshot> {
    return this.#request(path(key), { ...authorized(key), signal: options.signal ?? null });
  }

  /** Fetches the results of a completed job, or of one of its stages. */
  results(key: JobKey, options: RequestOptions & { stage?: string } = {}): Promise<unknown> {
    const query = options.stage ? `?${new URLSearchParams({ stage: options.stage })}` : "";
    return this.#request(`${path(key)}/results${query}`, {
      ...authorized(key),
      signal: options.signal ?? null,
    });
  }

  /** Requests the cancellation of the job. `job_cancelled` follows when the job has stopped. */
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
    throw refusal(answer, body);
  }
}

/** Returns undefined if the text is not JSON. */
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
