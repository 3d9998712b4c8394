/** The plan with an overlay of its rooms. */

import { make } from "@stagecast/client/page";
import { area, type Room, type Size } from "./results.js";

const SVG = "http://www.w3.org/2000/svg";
const HUES = 8;

/** The CSS class of a room's colour. */
export function hue(index: number): string {
  return `hue-${index % HUES}`;
}

export class PlanView {
  readonly element = make("figure", "figure");
  #picture = make("img", "picture");
  #rooms = document.createElementNS(SVG, "svg");
  #labels = make("div", "labels");
  #sheet = make("div", "sheet", this.#picture, this.#rooms, this.#labels);
  #shown: string | null = null;
  #onPoint: (id: number | null) => void;

  /** `onPoint` is called with the room under the pointer, or null. */
  constructor(onPoint: (id: number | null) => void) {
    this.#onPoint = onPoint;
    this.#rooms.classList.add("rooms");
    for (const overlay of [this.#rooms, this.#labels]) overlay.setAttribute("aria-hidden", "true");
    this.element.append(this.#sheet);
    // A file that is not a picture is not shown; the service's error explains it.
    this.#picture.addEventListener("error", () => this.hide());
    this.hide();
  }

  get isShown(): boolean {
    return !this.element.hidden;
  }

  /** Shows a picture, or a blank sheet without one. Rooms that are drawn stay. */
  show(picture: File | null): void {
    this.element.hidden = false;
    this.#picture.hidden = !picture;
    this.element.classList.toggle("bare", !picture);
    this.#sheet.style.aspectRatio = "";
    if (!picture) return;
    this.#shown = URL.createObjectURL(picture);
    this.#picture.src = this.#shown;
    this.#picture.alt = `The plan ${picture.name}`;
  }

  hide(): void {
    this.clear();
    this.element.hidden = true;
    this.#picture.removeAttribute("src");
    if (this.#shown) URL.revokeObjectURL(this.#shown);
    this.#shown = null;
  }

  clear(): void {
    this.#rooms.replaceChildren();
    this.#labels.replaceChildren();
  }

  /** Sets the aspect ratio of a blank sheet, which may become known after the sheet is shown. */
  shape({ width, height }: Size): void {
    if (this.#picture.hidden) this.#sheet.style.aspectRatio = `${width} / ${height}`;
  }

  /** Draws rooms. `size` is the size of the image in which they were found. */
  async draw(rooms: readonly Room[], size: Size | null): Promise<void> {
    const { width, height } = size ?? (await this.#pictureSize()) ?? extent(rooms);
    this.clear();
    this.shape({ width, height });
    this.#rooms.setAttribute("viewBox", `0 0 ${width} ${height}`);
    rooms.forEach((room, index) => {
      const delay = `${Math.min(index, 12) * 60}ms`;
      const shape = this.#shape(room, index, { width, height });
      const label = labelOf(room, index, { width, height });
      shape.style.animationDelay = delay;
      (label.firstElementChild as HTMLElement).style.animationDelay = delay;
      this.#rooms.append(shape);
      this.#labels.append(label);
    });
  }

  highlight(id: number | null): void {
    for (const element of this.element.querySelectorAll<HTMLElement>("[data-room]")) {
      element.classList.toggle("pointed", element.dataset.room === String(id));
    }
    this.element.classList.toggle("pointing", id !== null);
  }

  #shape(room: Room, index: number, { width, height }: Size): SVGRectElement {
    const shape = document.createElementNS(SVG, "rect");
    for (const [name, value] of Object.entries(room.bounding_box)) {
      shape.setAttribute(name, String(value));
    }
    shape.setAttribute("rx", String(Math.min(width, height) / 160));
    shape.classList.add("room", hue(index));
    shape.dataset.room = String(room.id);
    shape.addEventListener("pointerenter", () => this.#onPoint(room.id));
    shape.addEventListener("pointerleave", () => this.#onPoint(null));
    return shape;
  }

  async #pictureSize(): Promise<Size | null> {
    if (!this.#picture.hidden) await this.#picture.decode().catch(() => {});
    const { naturalWidth: width, naturalHeight: height } = this.#picture;
    return width && height ? { width, height } : null;
  }
}

/** The size of a canvas that contains all rooms. */
function extent(rooms: readonly Room[]): Size {
  const boxes = rooms.map(({ bounding_box: box }) => box);
  return {
    width: Math.max(1, ...boxes.map(({ x, width }) => x + width)),
    height: Math.max(1, ...boxes.map(({ y, height }) => y + height)),
  };
}

/** As large as the room, so that its text can depend on the room's size on the screen. */
function labelOf(room: Room, index: number, { width, height }: Size): HTMLElement {
  const box = room.bounding_box;
  const tag = make(
    "span",
    "tag",
    make("b", "", String(room.id)),
    make("span", "tag-area", area(room.area)),
  );
  const label = make("div", `label ${hue(index)}`, tag);
  label.dataset.room = String(room.id);
  label.style.insetInlineStart = `${(100 * box.x) / width}%`;
  label.style.insetBlockStart = `${(100 * box.y) / height}%`;
  label.style.inlineSize = `${(100 * box.width) / width}%`;
  label.style.blockSize = `${(100 * box.height) / height}%`;
  return label;
}
