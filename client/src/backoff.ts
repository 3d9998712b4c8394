/** Exponential backoff. */

const FIRST_MS = 500;
const LONGEST_MS = 30_000;

/**
 * The delay before the next attempt, in milliseconds. Full jitter, so that clients that lost their
 * connections together do not reconnect together.
 */
export function backoff(attempt: number): number {
  return Math.round(Math.random() * Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt, 16)));
}
