/** The view of the reference pipeline: a floor plan with its rooms, and a list of the rooms. */

import type { JobContent, JobSlots, ProductView } from "@stagecast/client/page";
import { make, renderResults } from "@stagecast/client/page";
import { PlanView } from "./plan-view.js";
import { imageOf, roomsOf, summarize } from "./results.js";
import { RoomList } from "./room-list.js";
import samplePlan from "./sample-plan.png";
import "./plan.css";

type Job = Parameters<JobContent["render"]>[0];

const view: ProductView = {
  input: "floor plan",
  title: "What rooms are in this plan?",
  intro: "Drop a floor plan and watch two stages of image work find its walls and its rooms, live.",
  icon: "M6 8h36v32H27M21 40H6V8M6 24h10M22 24h20M27 8v7M27 21v3",
  sample: { name: "sample-plan.png", url: samplePlan, label: "sample plan" },
  stages: { stage_1: "Walls", stage_2: "Rooms" },
  summarize,
  mount: (slots) => new FloorPlanContent(slots),
};

export default view;

class FloorPlanContent implements JobContent {
  #plan = new PlanView((id) => this.#rooms.point(id));
  #rooms = new RoomList(this.#plan);
  /** The results of an external worker that finds something else. */
  #other = make("div", "other-results");
  #shown: unknown = null;

  constructor({ main, side }: JobSlots) {
    this.#other.hidden = true;
    main.append(this.#plan.element, this.#other);
    side.append(this.#rooms.element);
  }

  showInput(input: File): void {
    this.#plan.show(input);
  }

  render(job: Job): void {
    const size = imageOf(job);
    if (size) this.#plan.shape(size);
    const rooms = roomsOf(job);
    if (rooms) this.#rooms.render(rooms, size);
    else if (job.results !== null) this.#renderOther(job.results);
  }

  unmount(): void {
    this.#plan.hide();
  }

  #renderOther(results: unknown): void {
    if (results === this.#shown) return;
    this.#shown = results;
    this.#other.hidden = false;
    this.#other.replaceChildren(renderResults(results));
  }
}
