/** Whether what is shown is live. */

import type { JobWatch } from "../src/index.js";
import { at } from "./dom.js";

const pill = at("connection");
const words = at("connection-words");
const seconds = at("connection-seconds");

/** Follows a watch until it has ended. */
export function showConnection(watch: JobWatch): void {
  const show = () => {
    if (watch.state === "ended") {
      clearInterval(countdown);
      hideConnection();
    } else {
      set(watch.state, ...told(watch));
    }
  };
  // Seconds until the next attempt are counted down.
  const countdown = setInterval(show, 1000);
  watch.addEventListener("state", show);
  show();
}

export function hideConnection(): void {
  set("ended", "", "");
}

/** The words, which a screen reader says, and the seconds after them, which it does not: it would say each. */
function told(watch: JobWatch): [words: string, seconds: string] {
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
    // What stays the same is not said again.
    if (part.textContent !== text) part.textContent = text;
  }
}
