/** The results of a job: its rooms, or the JSON of another pipeline's results. */

import type { WatchedJob } from "../src/index.js";
import { at, make } from "./dom.js";
import { area, count } from "./format.js";
import { hue, type PlanView } from "./plan-view.js";
import { imageOf, type Room, roomsOf } from "./results.js";

export class RoomList {
  #plan: PlanView;
  /** The drawn rooms as JSON, because the stage and the job report the same ones. */
  #drawn: string | null = null;

  constructor(plan: PlanView) {
    this.#plan = plan;
  }

  clear(): void {
    this.#drawn = null;
    at("results").hidden = true;
    at("room-list").replaceChildren();
  }

  render(job: WatchedJob): void {
    const rooms = roomsOf(job);
    const other = rooms === null && job.results !== null;
    at("results").hidden = rooms === null && !other;
    at("other-results").hidden = !other;
    if (other) {
      at("results-title").textContent = "Results";
      at("other-results").textContent = JSON.stringify(job.results, null, 2);
    }
    const drawing = rooms && JSON.stringify(rooms);
    if (!rooms || drawing === this.#drawn) return;
    this.#drawn = drawing;
    const size = imageOf(job);
    if (!this.#plan.isShown) this.#plan.show(null, "");
    void this.#plan.draw(rooms, size);
    at("results-title").textContent = count(rooms.length, "room");
    const lines = rooms.map((room, index) => make("li", "", this.#line(room, index)));
    at("room-list").replaceChildren(...lines);
  }

  /** Highlights a room in the list and in the plan. */
  point(id: number | null): void {
    this.#plan.highlight(id);
    for (const line of at("room-list").querySelectorAll<HTMLElement>(".room-line")) {
      line.classList.toggle("pointed", line.dataset.room === String(id));
    }
  }

  #line(room: Room, index: number): HTMLElement {
    const { width, height } = room.bounding_box;
    const line = make(
      "button",
      `room-line ${hue(index)}`,
      make("span", "room-number", String(room.id)),
      make("span", "room-area", area(room.area)),
      make("span", "room-size", `${width} × ${height}`),
    );
    line.type = "button";
    line.dataset.room = String(room.id);
    line.setAttribute("aria-label", `Room ${room.id}: ${area(room.area)}, ${width} by ${height}`);
    for (const event of ["pointerenter", "focus"]) {
      line.addEventListener(event, () => this.point(room.id));
    }
    for (const event of ["pointerleave", "blur"]) {
      line.addEventListener(event, () => this.point(null));
    }
    return line;
  }
}
