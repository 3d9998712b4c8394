/** What can go wrong, in words. */

/** The service has refused, or could not be asked. */
export class StagecastError extends Error {
  override readonly name = "StagecastError";
  /** A word that programs can look at, such as `forbidden`; null if the service gave none. */
  readonly code: string | null;
  /** The HTTP status; 0 if there was no answer, null if it was not asked over HTTP. */
  readonly status: number | null;
  /** What to name when asking for help. */
  readonly requestId: string | null;

  constructor(
    message: string,
    told: { code?: string | null; status?: number | null; requestId?: string | null } = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.code = told.code ?? null;
    this.status = told.status ?? null;
    this.requestId = told.requestId ?? null;
  }
}

/** When a refused request may be made again, in milliseconds from now; 0 if the service does not say. */
export function retryAfterMs({ details }: { details?: unknown }): number {
  const { retry_after_seconds: seconds } = (details ?? {}) as { retry_after_seconds?: unknown };
  return typeof seconds === "number" && seconds > 0 ? seconds * 1000 : 0;
}
