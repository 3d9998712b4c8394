/** Starts two local stacks for all tests of this folder. */

import type { TestProject } from "vitest/node";
import { LocalStack, type Urls } from "../local-stack.js";

declare module "vitest" {
  interface ProvidedContext {
    /** The URLs of a stack with fast stages and of one with slow stages. */
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
