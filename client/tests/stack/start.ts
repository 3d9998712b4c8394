/** Starts two local stacks once for all tests of this folder. */

import type { TestProject } from "vitest/node";
import { LocalStack, type Urls } from "../local-stack.js";

declare module "vitest" {
  interface ProvidedContext {
    /** The addresses of a stack whose stages are quick, and of one where they go on. */
    quick: Urls;
    slow: Urls;
  }
}

export default async function start(project: TestProject): Promise<() => Promise<void>> {
  const [quick, slow] = await Promise.all([
    LocalStack.start({ pace: 600 }),
    LocalStack.start({ pace: 60_000 }),
  ]);
  project.provide("quick", quick.urls);
  project.provide("slow", slow.urls);
  return async () => {
    await Promise.all([quick.stop(), slow.stop()]);
  };
}
