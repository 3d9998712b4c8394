/** Buttons that copy and download. */

import { make } from "../dom.js";

const SVG = "http://www.w3.org/2000/svg";
const COPY = "M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z";
const DOWNLOAD = "M8 2.5v7.5M4.8 7 8 10.2 11.2 7M3 13.5h10";

/** A button that copies the text. */
export function copyButton(text: () => string): HTMLButtonElement {
  const words = make("span", "", "Copy");
  const button = actionButton(COPY, words);
  button.classList.add("copy");
  button.addEventListener("click", async () => {
    let said = "Copied";
    try {
      await navigator.clipboard.writeText(text());
    } catch {
      // The browser blocks the clipboard, for example on a page without HTTPS.
      said = "Blocked";
      button.title = "The browser blocks copying. Use Download instead.";
    }
    words.textContent = said;
    setTimeout(() => {
      words.textContent = "Copy";
    }, 1600);
  });
  return button;
}

/** A button that saves the text as a file. `part` names the part of the results in its label. */
export function downloadButton(
  format: string,
  fileName: string,
  mediaType: string,
  text: () => string,
  part = "",
): HTMLButtonElement {
  const button = actionButton(DOWNLOAD, format);
  button.setAttribute("aria-label", ["Download", part, format].filter(Boolean).join(" "));
  button.addEventListener("click", () => {
    const url = URL.createObjectURL(new Blob([text()], { type: mediaType }));
    const link = make("a", "");
    link.href = url;
    link.download = fileName.replace(/[\\/:*?"<>|\s]+/g, "-");
    link.click();
    // The browser has started to read the blob by then.
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  });
  return button;
}

function actionButton(icon: string, words: Node | string): HTMLButtonElement {
  const drawing = document.createElementNS(SVG, "svg");
  drawing.setAttribute("viewBox", "0 0 16 16");
  drawing.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", icon);
  drawing.append(path);
  const button = make("button", "button small", drawing, words);
  button.type = "button";
  return button;
}
