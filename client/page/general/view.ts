/** The general view of a job, for any product: its input, and the results of its stages, in tabs. */

import { hasEnded, type WatchedJob, type WatchedStage } from "../../src/index.js";
import { make } from "../dom.js";
import { errorMessage } from "../format.js";
import type { JobContent, JobSlots } from "../product.js";
import { renderResults } from "../results/render.js";
import { stageName } from "../selected-view.js";
import { previewInput } from "./input-preview.js";
import { type Tab, Tabs } from "./tabs.js";

export function mountGeneral(slots: JobSlots): JobContent {
  return new GeneralView(slots);
}

class GeneralView implements JobContent {
  #slots: JobSlots;
  #tabs = new Tabs("Input and results");
  #empty = make("p", "placeholder");
  #input: File | null = null;
  #pictureUrl: string | null = null;
  #job: WatchedJob | null = null;
  /** Whether the user has chosen a tab; otherwise the view selects the latest results. */
  #isChosen = false;
  #latest = "";
  #fetched = new Map<string, Promise<unknown>>();

  constructor(slots: JobSlots) {
    this.#slots = slots;
    this.#tabs.element.addEventListener("choose", () => {
      this.#isChosen = true;
    });
    slots.main.append(make("div", "general", this.#tabs.element, this.#empty));
    this.#update();
  }

  showInput(input: File): void {
    this.#input = input;
    this.#update();
  }

  render(job: WatchedJob): void {
    this.#job = job;
    this.#update();
  }

  unmount(): void {
    if (this.#pictureUrl) URL.revokeObjectURL(this.#pictureUrl);
  }

  #update(): void {
    const results = this.#job ? this.#resultTabs(this.#job) : [];
    const tabs = [...this.#inputTab(), ...results];
    this.#tabs.element.hidden = tabs.length === 0;
    this.#empty.hidden = tabs.length > 0;
    this.#empty.textContent =
      this.#job && hasEnded(this.#job)
        ? "This job has no results."
        : "Results appear here as stages complete.";
    this.#tabs.update(tabs);
    const latest = tabs.at(-1)?.id ?? "";
    if (latest !== this.#latest && !this.#isChosen) this.#tabs.select(latest);
    this.#latest = latest;
  }

  #inputTab(): Tab[] {
    const input = this.#input;
    if (!input) return [];
    const render = () => previewInput(input, () => this.#urlOf(input));
    return [{ id: "input", label: "Input", content: input, render }];
  }

  #resultTabs(job: WatchedJob): Tab[] {
    const tabs = job.stages.filter(hasResults).map((stage) => this.#stageTab(stage));
    const { status, results } = job;
    if (status !== "completed") return tabs;
    // The results of the job are those of its last stage. Over HTTP, stages come without results.
    const last = job.stages.at(-1);
    const lastTab = last && hasResults(last) ? tabs.pop() : undefined;
    if (lastTab && (last?.results !== null || results === null)) {
      return [...tabs, { ...lastTab, label: "Results" }];
    }
    if (results === null) return tabs;
    const render = () => renderResults(results, { fileName: `${job.job_id}-results` });
    const id = lastTab?.id ?? "results";
    return [...tabs, { id, label: "Results", content: results, render }];
  }

  #stageTab(stage: WatchedStage): Tab {
    const { results } = stage;
    const options = { fileName: `${this.#job?.job_id}-${stage.stage}` };
    const render = () =>
      results === null
        ? this.#renderFetched(stage.stage, options)
        : renderResults(results, options);
    const content = results ?? stage.results_url;
    return { id: `stage-${stage.stage}`, label: stageName(stage.stage), content, render };
  }

  /** Results that were too large for a message. */
  #renderFetched(stage: string, options: { fileName: string }): HTMLElement {
    const place = make("div", "", make("p", "placeholder", "Fetching the results…"));
    const fetched = this.#fetched.get(stage) ?? this.#slots.fetchResults(stage);
    this.#fetched.set(stage, fetched);
    fetched.then(
      (results) => place.replaceChildren(renderResults(results, options)),
      (error) => place.replaceChildren(make("p", "notice", errorMessage(error))),
    );
    return place;
  }

  #urlOf(input: File): string {
    this.#pictureUrl ??= URL.createObjectURL(input);
    return this.#pictureUrl;
  }
}

function hasResults({ results, results_url }: WatchedStage): boolean {
  return results !== null || results_url !== null;
}
