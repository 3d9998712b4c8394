/** The log of all frames that are sent and received. */

import { at, make } from "./dom.js";

const MOST_LINES = 200;

let logged = 0;

export function log({ direction, frame }: { direction: "in" | "out"; frame: object }): void {
  logged += 1;
  at("log").hidden = false;
  at("log-count").textContent = String(logged);
  const line = make("li", "", JSON.stringify(frame));
  line.dataset.direction = direction;
  const lines = at("log-lines");
  lines.append(line);
  if (lines.children.length > MOST_LINES) lines.firstElementChild?.remove();
}

export function clearLog(): void {
  logged = 0;
  at("log").hidden = true;
  at("log-lines").replaceChildren();
}
