/** Uploads the input of a job in parts: resumable, with progress, pause and retries. */

import { backoff } from "./backoff.js";
import { StagecastError } from "./errors.js";
import type { Upload, UploadOptions, UploadPart, UploadState } from "./upload-control.js";

/** The requests to the HTTP API that an upload makes. */
export interface UploadRequests {
  /** What is missing of the input. */
  state(): Promise<UploadState>;
  /** Verifies the input and queues the job. */
  complete(): Promise<UploadState>;
  /** Replaces `XMLHttpRequest`, which reports the progress within a part. */
  fetch: typeof fetch | undefined;
}

/** Consecutive failures of the network or the service after which an upload fails. */
const MOST_FAILURES = 8;

/** The answer to a PUT whose URL has expired. */
const EXPIRED = 403;
/** The answer to a PUT of a part that is already there. */
const ALREADY_THERE = 412;

/** Sends the missing parts and completes the upload. Resolves when the job is queued. */
export async function sendInput(
  requests: UploadRequests,
  input: Blob,
  known: Upload | undefined,
  options: UploadOptions,
): Promise<UploadState> {
  const sender = new Sender(requests, input, options);
  return sender.send(known);
}

class Sender {
  #requests: UploadRequests;
  #input: Blob;
  #options: UploadOptions;
  #failures = 0;
  /** The bytes of each part that are being sent, by its number. */
  #sending = new Map<number, number>();
  #missingBytes = 0;
  #reported = 0;

  constructor(requests: UploadRequests, input: Blob, options: UploadOptions) {
    this.#requests = requests;
    this.#input = input;
    this.#options = options;
  }

  async send(known: Upload | undefined): Promise<UploadState> {
    let upload = known;
    for (;;) {
      if (!upload) {
        const state = await this.#persistently(() => this.#requests.state());
        if (!state.upload) return state;
        upload = state.upload;
      }
      this.#check(upload);
      if (upload.parts.length === 0) {
        const completed = await this.#complete();
        if (completed) return completed;
      } else {
        await this.#sendParts(upload);
      }
      // The service knows what is missing now.
      upload = undefined;
    }
  }

  #check({ size }: Upload): void {
    if (size === this.#input.size) return;
    throw new StagecastError(
      `the input has ${this.#input.size} bytes and the job expects ${size}; choose the file that the upload was started with`,
      { code: "wrong_input" },
    );
  }

  /** Null if parts are missing after all. */
  async #complete(): Promise<UploadState | null> {
    try {
      const state = await this.#persistently(() => this.#requests.complete());
      this.#report(this.#input.size);
      return state;
    } catch (error) {
      if (!(error instanceof StagecastError) || error.code !== "upload_incomplete") throw error;
      await this.#failed(error);
      return null;
    }
  }

  /** Sends the listed parts, several at once. Stops at the first part that needs a new URL. */
  async #sendParts(upload: Upload): Promise<void> {
    const listed = upload.parts.reduce((bytes, { size }) => bytes + size, 0);
    const unlisted = upload.next_after_part
      ? Math.max(0, upload.size - upload.next_after_part * upload.part_size)
      : 0;
    this.#missingBytes = listed + unlisted;
    this.#sending.clear();
    const round = new AbortController();
    const waiting = [...upload.parts];
    const worker = async () => {
      for (let part = waiting.shift(); part; part = waiting.shift()) {
        if (round.signal.aborted) return;
        if (!(await this.#sendPart(part, round.signal))) waiting.length = 0;
      }
    };
    const count = Math.max(1, this.#options.concurrency ?? 4);
    try {
      await Promise.all(Array.from({ length: Math.min(count, waiting.length) }, worker));
    } finally {
      round.abort();
    }
  }

  /** False if the part needs another URL. */
  async #sendPart(part: UploadPart, round: AbortSignal): Promise<boolean> {
    const bytes = this.#input.slice(part.offset, part.offset + part.size);
    for (;;) {
      await this.#unpaused();
      if (round.aborted) return false;
      const interruption = this.#interruption(round);
      let status: number;
      let body = "";
      try {
        ({ status, body } = await put(
          part,
          bytes,
          interruption.signal,
          this.#requests.fetch,
          (sent) => this.#sent(part.part, sent),
        ));
      } catch (cause) {
        this.#options.signal?.throwIfAborted();
        this.#sent(part.part, 0);
        if (round.aborted) return false;
        if (!interruption.signal.aborted) {
          await this.#failed(
            new StagecastError(
              "the storage of inputs cannot be reached; check the connection and try again",
              { status: 0 },
              { cause },
            ),
          );
        }
        continue;
      } finally {
        interruption.end();
      }
      if ((status >= 200 && status < 300) || status === ALREADY_THERE) {
        this.#failures = 0;
        this.#sent(part.part, part.size);
        return true;
      }
      this.#sent(part.part, 0);
      const error = rejection(status, body, part);
      if (status !== EXPIRED && status !== 404 && !isTransient(status)) throw error;
      await this.#failed(error);
      if (!isTransient(status)) return false;
    }
  }

  /** A signal that ends a PUT when the upload is paused or aborted. */
  #interruption(round: AbortSignal): { signal: AbortSignal; end: () => void } {
    const controller = new AbortController();
    const { control, signal } = this.#options;
    const check = () => {
      if (control?.isPaused || signal?.aborted || round.aborted) controller.abort();
    };
    const targets = [control, signal, round];
    const events = ["change", "abort", "abort"];
    for (const [index, target] of targets.entries()) {
      target?.addEventListener(events[index] ?? "", check);
    }
    check();
    return {
      signal: controller.signal,
      end: () => {
        for (const [index, target] of targets.entries()) {
          target?.removeEventListener(events[index] ?? "", check);
        }
      },
    };
  }

  async #unpaused(): Promise<void> {
    const { control, signal } = this.#options;
    signal?.throwIfAborted();
    if (!control?.isPaused) return;
    await new Promise<void>((resolve) => {
      const check = () => {
        if (control.isPaused && !signal?.aborted) return;
        control.removeEventListener("change", check);
        signal?.removeEventListener("abort", check);
        resolve();
      };
      control.addEventListener("change", check);
      signal?.addEventListener("abort", check);
    });
    signal?.throwIfAborted();
  }

  /** Repeats a request to the HTTP API after failures that may pass. */
  async #persistently<Answer>(request: () => Promise<Answer>): Promise<Answer> {
    for (;;) {
      await this.#unpaused();
      try {
        const answer = await request();
        return answer;
      } catch (error) {
        const { status } = error as StagecastError;
        if (!(error instanceof StagecastError) || !isTransient(status ?? -1)) throw error;
        await this.#failed(error);
      }
    }
  }

  /** Waits before the next attempt, or throws the error after too many. */
  async #failed(error: StagecastError): Promise<void> {
    this.#failures += 1;
    if (this.#failures >= MOST_FAILURES) throw error;
    const { signal } = this.#options;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, backoff(this.#failures));
      signal?.addEventListener("abort", () => {
        clearTimeout(timer);
        resolve();
      });
    });
    signal?.throwIfAborted();
  }

  #sent(part: number, bytes: number): void {
    this.#sending.set(part, bytes);
    const sent = [...this.#sending.values()].reduce((sum, each) => sum + each, 0);
    this.#report(this.#input.size - this.#missingBytes + sent);
  }

  #report(sentBytes: number): void {
    if (sentBytes <= this.#reported) return;
    this.#reported = sentBytes;
    this.#options.onProgress?.({ sentBytes, totalBytes: this.#input.size });
  }
}

/** Whether the same request may succeed later. */
function isTransient(status: number): boolean {
  return status === 0 || status === 408 || status === 429 || status >= 500;
}

/** Browsers set these headers themselves, and forbid pages to. */
const SET_BY_BROWSER = ["content-length", "host"];

interface PutAnswer {
  status: number;
  body: string;
}

/** Sends a part. With `XMLHttpRequest`, its progress is known. */
function put(
  { url, headers }: UploadPart,
  bytes: Blob,
  signal: AbortSignal,
  custom: typeof fetch | undefined,
  onSent: (bytes: number) => void,
): Promise<PutAnswer> {
  const own = Object.entries(headers).filter(([name]) => !SET_BY_BROWSER.includes(name));
  if (custom || typeof XMLHttpRequest === "undefined") {
    return (custom ?? fetch)(url, {
      method: "PUT",
      body: bytes,
      headers: Object.fromEntries(own),
      signal,
    }).then(async (answer) => ({ status: answer.status, body: await answer.text() }));
  }
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", url);
    for (const [name, value] of own) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded }) => onSent(loaded);
    request.onload = () => resolve({ status: request.status, body: request.responseText });
    request.onerror = () => reject(new TypeError("the request failed"));
    request.onabort = () => reject(new TypeError("the request was interrupted"));
    signal.addEventListener("abort", () => request.abort());
    if (signal.aborted) reject(new TypeError("the request was interrupted"));
    else request.send(bytes);
  });
}

/** The error for a part that the storage has refused, with S3's own code. */
function rejection(status: number, body: string, { part }: UploadPart): StagecastError {
  const [, code = null] = /<Code>([A-Za-z]+)<\/Code>/.exec(body) ?? [];
  return new StagecastError(
    `the storage of inputs refused part ${part} with status ${status}${code ? ` (${code})` : ""}; start the upload again`,
    { code, status },
  );
}
