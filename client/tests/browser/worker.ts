/**
 * An external worker that replaces the pipeline, so that a test controls the progress of the page's
 * jobs independently of the machine's speed.
 */

import { type APIRequestContext, type BrowserContext, expect } from "@playwright/test";
import type { LocalStack } from "../local-stack.js";

const STAGES = ["stage_1", "stage_2"];

const WALLS = {
  image: { width: 800, height: 600 },
  segments: 27,
  thickness: { typical: 12 },
};

const ROOMS = {
  rooms: [1, 2, 3, 4, 5, 6, 7, 8].map((id) => ({
    id,
    area: id * 1000,
    bounding_box: { x: id * 80, y: id * 60, width: 70, height: 50 },
  })),
};

interface Lease {
  epoch: number;
  seq: number;
}

/** Runs the next job that is created, event by event. */
export class ExternalWorker {
  #request: APIRequestContext;
  #job: Promise<{ url: string; key: string }>;
  #lease: Lease | null = null;

  constructor(context: BrowserContext, request: APIRequestContext, stack: LocalStack) {
    this.#request = request;
    const jobs = `${stack.urls.http_api}/v1/jobs`;
    this.#job = new Promise((made) => {
      void context.route(jobs, async (route) => {
        const response = await route.fetch({ url: `${jobs}?worker=external` });
        await route.fulfill({ response });
        const { job_id: jobId, worker_key: key } = await response.json();
        made({ url: `${jobs}/${jobId}`, key });
      });
    });
  }

  /** Claims the job. */
  async claim(stages: readonly string[]): Promise<void> {
    this.#lease = await this.#ask("claim", { stages });
  }

  /** Posts events of the job. */
  async post(...events: object[]): Promise<void> {
    const { epoch, seq } = this.#lease ?? { epoch: 0, seq: 0 };
    const answer = await this.#ask("events", { epoch, after_seq: seq, events });
    this.#lease = { epoch, seq: answer.seq };
  }

  async #ask(what: string, data: object): Promise<Lease> {
    const { url, key } = await this.#job;
    const headers = { authorization: `Bearer ${key}` };
    const answer = await this.#request.post(`${url}/${what}`, { headers, data });
    expect(answer.ok(), await answer.text()).toBe(true);
    return answer.json();
  }
}

/** Runs the next job as the reference pipeline does. */
export class Worker extends ExternalWorker {
  /** Claims the job and reports 50 percent of its first stage. */
  async begin(): Promise<void> {
    await this.claim(STAGES);
    await this.post({
      type: "progress_update",
      stage: "stage_1",
      progress: 50,
      message: "Looking for walls...",
    });
  }

  /** Finishes the first stage with 27 walls and starts the second. */
  async findWalls(): Promise<void> {
    await this.post(
      { type: "stage_complete", stage: "stage_1", results: WALLS },
      { type: "progress_update", stage: "stage_2", progress: 30, message: "Looking for rooms..." },
    );
  }

  /** Completes the job with eight rooms. */
  async findRooms(): Promise<void> {
    await this.post(
      { type: "stage_complete", stage: "stage_2", results: ROOMS },
      { type: "job_complete" },
    );
  }
}
