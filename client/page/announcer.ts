/**
 * Announces the start and end of stages and each quarter of the job to screen readers. Announcing
 * each percent would be too much.
 */

import type { JobMessage, WatchedJob } from "../src/index.js";
import { at } from "./dom.js";
import { stageName, summarize } from "./selected-view.js";

export class Announcer {
  #stage: string | null = null;
  #quarter = 0;

  /** Resets the state for another job. */
  reset(): void {
    this.#stage = null;
    this.#quarter = 0;
    say("");
  }

  announce(message: JobMessage, job: WatchedJob): void {
    switch (message.type) {
      case "progress_update":
        this.#progress(message.stage, message.overall_progress ?? 0);
        return;
      case "stage_complete": {
        const stage = job.stages.find(({ stage }) => stage === message.stage);
        const what = stage ? summarize(stage) : "";
        say(`${stageName(message.stage)} finished${what && `: ${what}`}`);
        return;
      }
      case "job_complete":
        say("The job is done");
        return;
      case "job_cancelled":
        say("The job was cancelled");
        return;
      case "job_failed":
        // The failure is announced by an alert.
        say("");
    }
  }

  #progress(stage: string, overall: number): void {
    const quarter = Math.floor(overall / 25);
    if (stage !== this.#stage) say(`${stageName(stage)} started`);
    else if (quarter > this.#quarter) say(`${quarter * 25} percent of the job`);
    this.#stage = stage;
    this.#quarter = Math.max(this.#quarter, quarter);
  }
}

function say(words: string): void {
  at("announcer").textContent = words;
}
