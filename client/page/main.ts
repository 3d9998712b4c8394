/** The entry point: loads the configuration and connects the controls. */

// First, so that the styles of a product's view come after those of the page.
import "./styles/index.css";

import { findConfig } from "./config.js";
import { at } from "./dom.js";
import { BUILT_IN } from "./input-rules.js";
import { onOtherWindow } from "./job-storage.js";
import { linkedJob } from "./links.js";
import { Page, showView } from "./page.js";
import * as panel from "./panel.js";
import { selectView } from "./selected-view.js";
import { openEditor, showStart } from "./start-view.js";

/** Null until `config.json` is loaded. */
let page: Page | null = null;
// The texts are likely to stay the same with the rules of `config.json`.
showStart(BUILT_IN, selectView(BUILT_IN));
const opened = open();
// Registered at once: actions before the configuration is loaded run afterwards.
wire();

async function open(): Promise<void> {
  // The key in the URL is removed from the address bar first.
  linkedJob();
  page = new Page(await findConfig(showConfigError));
  page.follow();
}

/** Shows why the configuration is not loaded yet. */
function showConfigError(details: string): void {
  if (document.body.dataset.view !== "job") panel.clear("");
  showView("job");
  panel.showFailure("The page cannot load its configuration. It keeps trying.", details);
  at("again").hidden = true;
}

function wire(): void {
  const ask = (act: (page: Page) => void) => void opened.then(() => page && act(page));
  const file = at<HTMLInputElement>("file");
  at("choose").addEventListener("click", () => file.click());
  file.addEventListener("change", () => {
    const [chosen] = file.files ?? [];
    if (chosen) ask((page) => page.submit(chosen));
    file.value = "";
  });
  at("sample").addEventListener("click", () => ask((page) => page.submitSample()));
  at("write").addEventListener("click", () => openEditor(true));
  at("back").addEventListener("click", () => openEditor(false));
  at("editor").addEventListener("submit", (event) => {
    event.preventDefault();
    ask((page) => page.submitText());
  });
  at("cancel").addEventListener("click", () => ask((page) => page.cancel()));
  at("again").addEventListener("click", () => ask((page) => page.goHome()));
  at("share").addEventListener("click", () => ask((page) => page.share()));
  at("home").addEventListener("click", (event) => {
    event.preventDefault();
    ask((page) => page.goHome());
  });
  window.addEventListener("hashchange", () => ask((page) => page.follow()));
  onOtherWindow(() => ask((page) => page.refresh()));
  wireDrop(ask);
  wirePaste(ask);
}

/** Pasting on the start view, outside of the editor. */
function wirePaste(ask: (act: (page: Page) => void) => void): void {
  window.addEventListener("paste", (event) => {
    const isTyping = event.target instanceof Element && event.target.closest("textarea, input");
    if (isTyping || document.body.dataset.view !== "home") return;
    const [file] = event.clipboardData?.files ?? [];
    const text = event.clipboardData?.getData("text/plain") ?? "";
    if (file) ask((page) => page.submit(file));
    else if (text) ask((page) => page.paste(text));
    else return;
    event.preventDefault();
  });
}

function wireDrop(ask: (act: (page: Page) => void) => void): void {
  window.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.toggle("dragging", page?.isFree ?? true);
  });
  window.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("dragging");
  });
  window.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dragging");
    const [dropped] = event.dataTransfer?.files ?? [];
    if (dropped) ask((page) => page.isFree && page.submit(dropped));
  });
}
