/** Tabs with one panel. The panel of a tab is rendered when the tab is first selected. */

import { make } from "../dom.js";

export interface Tab {
  readonly id: string;
  readonly label: string;
  /** The panel is rendered again when this value changes. */
  readonly content: unknown;
  readonly render: () => HTMLElement;
}

let tabGroups = 0;

export class Tabs {
  readonly element: HTMLElement;
  #list = make("div", "tab-list");
  #panel = make("div", "tab-panel");
  #group: string;
  #tabs: readonly Tab[] = [];
  #buttons = new Map<string, HTMLButtonElement>();
  #rendered = new Map<string, { content: unknown; element: HTMLElement }>();
  #selected: string | null = null;

  constructor(label: string) {
    tabGroups += 1;
    this.#group = `tabs-${tabGroups}`;
    this.#list.setAttribute("role", "tablist");
    this.#list.setAttribute("aria-label", label);
    this.#list.addEventListener("keydown", (event) => this.#onKey(event));
    this.#panel.id = `${this.#group}-panel`;
    this.#panel.setAttribute("role", "tabpanel");
    this.element = make("div", "tabs", this.#list, this.#panel);
  }

  /** Replaces the tabs; tabs with a known id keep their panel and their focus. */
  update(tabs: readonly Tab[]): void {
    this.#tabs = tabs;
    for (const [id, button] of this.#buttons) {
      if (tabs.some((tab) => tab.id === id)) continue;
      button.remove();
      this.#buttons.delete(id);
      this.#rendered.delete(id);
    }
    tabs.forEach((tab, index) => {
      const button = this.#buttons.get(tab.id) ?? this.#newButton(tab.id);
      if (button.textContent !== tab.label) button.textContent = tab.label;
      const there = this.#list.children[index];
      if (there !== button) this.#list.insertBefore(button, there ?? null);
    });
    const selected = tabs.some(({ id }) => id === this.#selected) ? this.#selected : tabs[0]?.id;
    if (selected !== undefined && selected !== null) this.select(selected);
  }

  select(id: string): void {
    const tab = this.#tabs.find((tab) => tab.id === id);
    if (!tab) return;
    this.#selected = id;
    for (const [other, button] of this.#buttons) {
      button.setAttribute("aria-selected", String(other === id));
      button.tabIndex = other === id ? 0 : -1;
    }
    this.#scrollTo(this.#buttons.get(id));
    this.#panel.setAttribute("aria-labelledby", this.#buttons.get(id)?.id ?? "");
    const known = this.#rendered.get(id);
    const isKnown = known !== undefined && known.content === tab.content;
    const element = known && isKnown ? known.element : tab.render();
    this.#rendered.set(id, { content: tab.content, element });
    if (this.#panel.firstElementChild !== element) this.#panel.replaceChildren(element);
  }

  /** Scrolls the list, but not the page, to a tab. */
  #scrollTo(button: HTMLElement | undefined): void {
    if (!button) return;
    const { offsetLeft: left, offsetWidth: width } = button;
    const list = this.#list;
    if (left < list.scrollLeft) list.scrollLeft = left - width / 2;
    else if (left + width > list.scrollLeft + list.clientWidth) {
      list.scrollLeft = left + 1.5 * width - list.clientWidth;
    }
  }

  #newButton(id: string): HTMLButtonElement {
    const button = make("button", "tab");
    button.type = "button";
    button.id = `${this.#group}-${id}`;
    button.setAttribute("role", "tab");
    button.setAttribute("aria-controls", this.#panel.id);
    button.addEventListener("click", () => this.#choose(id));
    this.#buttons.set(id, button);
    return button;
  }

  #onKey(event: KeyboardEvent): void {
    const { length } = this.#tabs;
    const at = this.#tabs.findIndex(({ id }) => id === this.#selected);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: length - 1 }[event.key];
    const tab = to === undefined ? undefined : this.#tabs[(to + length) % length];
    if (!tab) return;
    event.preventDefault();
    this.#choose(tab.id);
    this.#buttons.get(tab.id)?.focus();
  }

  /** Selects a tab for the user. */
  #choose(id: string): void {
    this.select(id);
    this.element.dispatchEvent(new Event("choose"));
  }
}
