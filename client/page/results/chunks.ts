/** Shows long lists in chunks, so that large results do not block the page. */

import { make } from "../dom.js";
import { count } from "../format.js";

const CHUNK = 100;

/** Appends the items to `list`. Returns the line with the button for more; hidden at the end. */
export function appendInChunks<Item>(
  list: Element,
  items: readonly Item[],
  render: (item: Item, index: number) => Node,
  thing: string,
): HTMLElement {
  let shown = 0;
  const words = make("span", "");
  const button = make("button", "button small");
  button.type = "button";
  const more = make("p", "more", words, button);
  const show = () => {
    const chunk = items.slice(shown, shown + CHUNK);
    list.append(...chunk.map((item, index) => render(item, shown + index)));
    shown += chunk.length;
    const left = items.length - shown;
    more.hidden = left === 0;
    words.textContent = `${shown} of ${count(items.length, thing)}`;
    button.textContent = `Show ${Math.min(CHUNK, left)} more`;
  };
  button.addEventListener("click", show);
  show();
  return more;
}
