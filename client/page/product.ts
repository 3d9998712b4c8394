/**
 * The public API of a product's view. A product passes one module to `stagecast-page build`; its
 * default export is a `ProductView`. All members are optional: the general page supplies the rest.
 */

import type { WatchedJob } from "../src/index.js";

export { make } from "./dom.js";
export { count } from "./format.js";
export type { ResultsOptions } from "./results/render.js";
export { renderResults } from "./results/render.js";

/** What a product's page shows differently from the general page. */
export interface ProductView {
  /** The name in the header and in window titles; `Stagecast` without it. */
  readonly name?: string;
  /**
   * The `name` of the input rules that this view is written for. With other rules, the page uses
   * the general view. Without it, this view applies to all inputs.
   */
  readonly input?: string;
  /** The heading of the start view. */
  readonly title?: string;
  /** The sentence under the heading. */
  readonly intro?: string;
  /** The icon of the drop zone: the path data of a drawing on 48 × 48 units, drawn as strokes. */
  readonly icon?: string;
  /** An input for a first try. */
  readonly sample?: SampleInput;
  /** Labels of stages by their names. Other stages are labelled by their name. */
  readonly stages?: Readonly<Record<string, string>>;
  /**
   * Summarizes the results of a stage or a job in a few words, such as `8 rooms`. The page shows its
   * own summary if this one is empty.
   */
  readonly summarize?: (results: unknown) => string;
  /** Creates the view of one job. Called for each job that the page opens. */
  readonly mount?: (slots: JobSlots) => JobContent;
}

/** An input that is part of the page. */
export interface SampleInput {
  /** The file name, with an extension that the input rules accept. */
  readonly name: string;
  /** The URL of the file. Import the file to get its URL. */
  readonly url: string;
  /** What the error message calls it: `sample plan`. */
  readonly label: string;
}

/** The places for a view. A place is hidden while it has no visible child. */
export interface JobSlots {
  /** The wide card beside the progress, or below it on a narrow screen. */
  readonly main: HTMLElement;
  /** Below the stages in the progress card. */
  readonly side: HTMLElement;
  /** Fetches results of a finished stage that were too large for a message. */
  readonly fetchResults: (stage: string) => Promise<unknown>;
}

/**
 * The view of one job. For styles, `data-status` of `<body>` is `uploading`, `queued` or `running`
 * until the job ends, then `completed`, `failed` or `cancelled`.
 */
export interface JobContent {
  /**
   * Shows the job's input. Called at most once, before or after `render`: at the upload, or when
   * the input is read from this browser's storage. Not called if the browser does not have it.
   */
  showInput?(input: File): void;
  /**
   * Shows the results so far. Called after each change of the job. `results` of a completed job
   * are fetched if they were too large for a message; they are null until then.
   */
  render(job: WatchedJob): void;
  /** Releases resources, such as object URLs. The page empties the slots. */
  unmount?(): void;
}
