/** The plan with its rooms drawn over it. */

const SVG = "http://www.w3.org/2000/svg";
const HUES = 8;

export class PlanView {
  #figure;
  #picture;
  #rooms;
  #labels;
  #onPoint;

  /** `onPoint` is told the id of the room that is pointed at, or null. */
  constructor(root, onPoint) {
    this.#figure = root.querySelector("#figure");
    this.#picture = root.querySelector("#picture");
    this.#rooms = root.querySelector("#rooms");
    this.#labels = root.querySelector("#labels");
    this.#onPoint = onPoint;
    // What is no picture is shown as none; the answer says what is wrong with it.
    this.#picture.addEventListener("error", () => this.hide());
  }

  /** Shows a picture, or a blank sheet of that size where there is none. */
  show(source, size) {
    this.clear();
    this.#figure.hidden = false;
    const sheet = this.#picture.parentElement;
    this.#picture.hidden = !source;
    this.#figure.classList.toggle("bare", !source);
    if (source) {
      this.#picture.src = source;
      sheet.style.aspectRatio = "";
    } else if (size) {
      sheet.style.aspectRatio = `${size.width} / ${size.height}`;
    }
  }

  hide() {
    this.clear();
    this.#figure.hidden = true;
    this.#picture.removeAttribute("src");
  }

  clear() {
    this.#rooms.replaceChildren();
    this.#labels.replaceChildren();
  }

  working(is) {
    this.#figure.classList.toggle("working", is);
  }

  /** Draws rooms over the picture; `size` is that of the image that they were found in. */
  async draw(rooms, size) {
    const { width, height } = size ?? (await this.#pictureSize());
    this.clear();
    this.#rooms.setAttribute("viewBox", `0 0 ${width} ${height}`);
    rooms.forEach((room, index) => {
      const box = room.bounding_box;
      const shape = document.createElementNS(SVG, "rect");
      for (const [name, value] of Object.entries(box)) shape.setAttribute(name, value);
      shape.setAttribute("rx", Math.min(width, height) / 160);
      shape.classList.add("room", `hue-${index % HUES}`);
      shape.style.animationDelay = `${Math.min(index, 12) * 60}ms`;
      shape.dataset.room = room.id;
      shape.addEventListener("pointerenter", () => this.#onPoint(room.id));
      shape.addEventListener("pointerleave", () => this.#onPoint(null));
      this.#rooms.append(shape);

      // As large as the room, so that what it says can depend on how large that is on the screen.
      const label = document.createElement("div");
      label.className = `label hue-${index % HUES}`;
      label.dataset.room = room.id;
      label.style.insetInlineStart = `${(100 * box.x) / width}%`;
      label.style.insetBlockStart = `${(100 * box.y) / height}%`;
      label.style.inlineSize = `${(100 * box.width) / width}%`;
      label.style.blockSize = `${(100 * box.height) / height}%`;
      label.append(tag(room));
      label.firstElementChild.style.animationDelay = shape.style.animationDelay;
      this.#labels.append(label);
    });
  }

  highlight(id) {
    for (const element of this.#figure.querySelectorAll("[data-room]")) {
      element.classList.toggle("pointed", element.dataset.room === String(id));
    }
    this.#figure.classList.toggle("pointing", id !== null);
  }

  async #pictureSize() {
    if (!this.#picture.hidden) await this.#picture.decode().catch(() => {});
    return {
      width: this.#picture.naturalWidth || 1000,
      height: this.#picture.naturalHeight || 1000,
    };
  }
}

function tag(room) {
  const tag = document.createElement("span");
  tag.className = "tag";
  const number = document.createElement("b");
  number.textContent = String(room.id);
  const area = document.createElement("span");
  area.className = "tag-area";
  area.textContent = formatArea(room.area);
  tag.append(number, area);
  return tag;
}

export function formatArea(pixels) {
  return `${new Intl.NumberFormat().format(pixels)} px²`;
}
