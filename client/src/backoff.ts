/** How long to wait before another attempt. */

const FIRST_MS = 500;
const LONGEST_MS = 30_000;

/** Full jitter: those who lost their connections together do not come back together. */
export function backoff(attempt: number): number {
  return Math.round(Math.random() * Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt, 16)));
}
