/** Helpers for the page's elements. */

/** Returns the element of index.html with this id. */
export function at<Kind extends HTMLElement = HTMLElement>(id: string): Kind {
  const element = document.getElementById(id);
  if (!element) throw new Error(`index.html has no #${id}`);
  return element as Kind;
}

/** Creates an element. */
export function make<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  className: string,
  ...content: (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  element.className = className;
  element.append(...content);
  return element;
}

/** Sets a progress bar; null for an unknown percentage. */
export function setMeter(meter: HTMLElement, percent: number | null, text: string): void {
  const bar = meter.firstElementChild as HTMLElement;
  meter.classList.toggle("unknown", percent === null);
  bar.style.inlineSize = percent === null ? "" : `${percent}%`;
  if (percent === null) meter.removeAttribute("aria-valuenow");
  else meter.setAttribute("aria-valuenow", String(percent));
  meter.setAttribute("aria-valuetext", text);
}
