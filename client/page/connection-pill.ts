/** The indicator of the connection's state. */

import type { JobWatch } from "../src/index.js";
import { at } from "./dom.js";

const pill = at("connection");
const words = at("connection-words");
const seconds = at("connection-seconds");

/** Shows the state of a watch until it ends. */
export function showConnection(watch: JobWatch): void {
  const show = () => {
    if (watch.state === "ended") {
      clearInterval(countdown);
      hideConnection();
    } else {
      set(watch.state, ...describeState(watch));
    }
  };
  // Counts down the seconds until the next attempt.
  const countdown = setInterval(show, 1000);
  watch.addEventListener("state", show);
  show();
}

export function hideConnection(): void {
  set("ended", "", "");
}

/**
 * The announced text and the seconds after it, which are not announced: a screen reader would read
 * each change.
 */
function describeState(watch: JobWatch): [words: string, seconds: string] {
  if (watch.state === "live") return [watch.transport === "http" ? "Live over HTTP" : "Live", ""];
  if (watch.retryAt === null) {
    return [watch.state === "connecting" ? "Connecting…" : "Reconnecting…", ""];
  }
  if (!navigator.onLine) return ["Offline", ""];
  const left = Math.ceil((watch.retryAt - Date.now()) / 1000);
  return ["No connection, trying again", left > 1 ? ` in ${left} s…` : "…"];
}

function set(state: string, ...said: [words: string, seconds: string]): void {
  pill.dataset.state = state;
  for (const [index, part] of [words, seconds].entries()) {
    const text = said[index] ?? "";
    // An unchanged text is not set again, because a screen reader would repeat it.
    if (part.textContent !== text) part.textContent = text;
  }
}
