/** Starts the local stack once for all tests of this folder. */

import type { TestProject } from "vitest/node";
import { LocalStack } from "../local-stack.js";

declare module "vitest" {
  interface ProvidedContext {
    httpApi: string;
    websocket: string;
  }
}

export default async function start(project: TestProject): Promise<() => Promise<void>> {
  const stack = await LocalStack.start({ pace: 600 });
  project.provide("httpApi", stack.urls.http_api);
  project.provide("websocket", stack.urls.websocket);
  return () => stack.stop();
}
