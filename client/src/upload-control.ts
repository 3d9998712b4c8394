/** The options and the state of an upload. `upload.ts` makes it, which is loaded when it is needed. */

/** What is missing of an input, as the HTTP API returns it. */
export interface Upload {
  /** Size of the whole input, in bytes. */
  size: number;
  /** Size of each part except the last one, in bytes. */
  part_size: number;
  part_count: number;
  /** The missing parts in their order, at most 100. */
  parts: UploadPart[];
  /** Set if more parts may be missing than `parts` lists. */
  next_after_part?: number;
  urls_expire_at: string;
  /** When the job fails unless the upload is complete. */
  expires_at: string;
}

export interface UploadPart {
  /** The number of the part, from 1. */
  part: number;
  /** The first byte of the part within the input. */
  offset: number;
  /** Size of the part, in bytes. */
  size: number;
  url: string;
  headers: Record<string, string>;
}

/** The answer about an upload: `upload` is absent once the job has its input. */
export interface UploadState {
  job_id: string;
  status: string;
  upload?: Upload;
}

export interface UploadProgress {
  /** Bytes that have been sent, those of earlier attempts included. Never decreases. */
  readonly sentBytes: number;
  /** Size of the input, in bytes. */
  readonly totalBytes: number;
}

export interface UploadOptions {
  /** Called whenever bytes have been sent. */
  onProgress?: ((progress: UploadProgress) => void) | undefined;
  /** Pauses and resumes the upload. */
  control?: UploadControl | undefined;
  /** The number of parts that are sent at once. 4 by default. */
  concurrency?: number | undefined;
  signal?: AbortSignal | undefined;
}

/** Pauses an upload and lets it go on. */
export class UploadControl extends EventTarget {
  #paused = false;

  get isPaused(): boolean {
    return this.#paused;
  }

  /** Interrupts the parts that are being sent; they are sent again later. */
  pause(): void {
    this.#set(true);
  }

  resume(): void {
    this.#set(false);
  }

  #set(paused: boolean): void {
    if (paused === this.#paused) return;
    this.#paused = paused;
    this.dispatchEvent(new Event("change"));
  }
}
