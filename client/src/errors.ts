/** The error type of the client. */

/** The service rejected a request or could not be reached. `message` says why and what to do. */
export class StagecastError extends Error {
  override readonly name = "StagecastError";
  /** The error code for programs, such as `forbidden`; null if the service sent none. */
  readonly code: string | null;
  /**
   * The HTTP status; 0 if there was no response, null if the error did not come from the HTTP API.
   */
  readonly status: number | null;
  /** The request id in the service's logs; null if the service sent none. */
  readonly requestId: string | null;

  constructor(
    message: string,
    fields: { code?: string | null; status?: number | null; requestId?: string | null } = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.code = fields.code ?? null;
    this.status = fields.status ?? null;
    this.requestId = fields.requestId ?? null;
  }
}

/**
 * The time to wait before the rejected request may be repeated, in milliseconds; 0 if the service
 * sent none.
 */
export function retryAfterMs({ details }: { details?: unknown }): number {
  const { retry_after_seconds: seconds } = (details ?? {}) as { retry_after_seconds?: unknown };
  return typeof seconds === "number" && seconds > 0 ? seconds * 1000 : 0;
}
