/** The list of the rooms, linked with the plan. */

import { count, make } from "@stagecast/client/page";
import { hue, type PlanView } from "./plan-view.js";
import { area, type Room, type Size } from "./results.js";

export class RoomList {
  #plan: PlanView;
  #title = make("h2", "");
  #list = make("ol", "room-list");
  readonly element = make("section", "rooms-found", this.#title, this.#list);
  /** The drawn rooms as JSON, because the stage and the job report the same ones. */
  #drawn: string | null = null;

  constructor(plan: PlanView) {
    this.#plan = plan;
    this.element.hidden = true;
  }

  /** Shows rooms. `size` is the size of the image in which they were found. */
  render(rooms: readonly Room[], size: Size | null): void {
    const drawing = JSON.stringify(rooms);
    if (drawing === this.#drawn) return;
    this.#drawn = drawing;
    if (!this.#plan.isShown) this.#plan.show(null);
    void this.#plan.draw(rooms, size);
    this.element.hidden = false;
    this.#title.textContent = count(rooms.length, "room");
    this.#list.setAttribute("aria-label", "Rooms");
    const lines = rooms.map((room, index) => make("li", "", this.#line(room, index)));
    this.#list.replaceChildren(...lines);
  }

  /** Highlights a room in the list and in the plan. */
  point(id: number | null): void {
    this.#plan.highlight(id);
    for (const line of this.#list.querySelectorAll<HTMLElement>(".room-line")) {
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
