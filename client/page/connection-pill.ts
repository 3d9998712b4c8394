/** Whether what is shown is live. */

import type { JobWatch } from "../src/index.js";
import { at } from "./dom.js";

const pill = at("connection");

/** Follows a watch until it has ended. */
export function showConnection(watch: JobWatch): void {
  const show = () => {
    if (watch.state === "ended") {
      clearInterval(countdown);
      hideConnection();
    } else {
      set(watch.state, words(watch));
    }
  };
  // Seconds until the next attempt are counted down.
  const countdown = setInterval(show, 1000);
  watch.addEventListener("state", show);
  show();
}

export function hideConnection(): void {
  set("ended", "");
}

function words(watch: JobWatch): string {
  if (watch.state === "live") return watch.transport === "http" ? "Live over HTTP" : "Live";
  if (watch.retryAt === null) {
    return watch.state === "connecting" ? "Connecting…" : "Reconnecting…";
  }
  if (!navigator.onLine) return "Offline";
  const seconds = Math.ceil((watch.retryAt - Date.now()) / 1000);
  return `No connection, trying again${seconds > 1 ? ` in ${seconds} s` : ""}…`;
}

function set(state: string, words: string): void {
  pill.dataset.state = state;
  if (pill.textContent !== words) pill.textContent = words;
}
