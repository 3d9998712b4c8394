/** The files that a job has produced, with their sizes, to be downloaded. */

import type { Artifact } from "../src/index.js";
import { at, make } from "./dom.js";
import { errorMessage, size } from "./format.js";

/** Resolves with the URL of an artifact. */
export type ArtifactUrl = (name: string) => Promise<string>;

/** The artifacts that are shown. */
let shown: readonly Artifact[] = [];

/** Removes the artifacts of the last job. */
export function clearArtifacts(): void {
  shown = [];
  at("artifacts").hidden = true;
  at("artifact-list").replaceChildren();
}

/** Shows the artifacts of a job. `onError` is called with the reason why a download did not start. */
export function renderArtifacts(
  artifacts: readonly Artifact[],
  url: ArtifactUrl,
  onError: (words: string) => void,
): void {
  if (artifacts === shown) return;
  shown = artifacts;
  at("artifacts").hidden = artifacts.length === 0;
  at("artifact-list").replaceChildren(
    ...artifacts.map((artifact) => row(artifact, () => download(artifact.name, url, onError))),
  );
}

function row({ name, size: bytes, content_type }: Artifact, onClick: () => void): HTMLElement {
  const button = make("button", "artifact-name", name);
  button.type = "button";
  button.title = content_type;
  button.setAttribute("aria-label", `Download ${name}, ${size(bytes)}`);
  button.addEventListener("click", onClick);
  return make("li", "artifact", button, make("span", "artifact-size", size(bytes)));
}

/**
 * Lets the browser save an artifact of any size. The URL takes no key, and its answer names the file, so
 * that following it does not leave the page.
 */
async function download(
  name: string,
  url: ArtifactUrl,
  onError: (words: string) => void,
): Promise<void> {
  try {
    const link = make("a", "");
    link.href = await url(name);
    link.download = name;
    link.click();
  } catch (error) {
    onError(errorMessage(error));
  }
}
