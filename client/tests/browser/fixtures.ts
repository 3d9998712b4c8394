/** Fixtures: a stack for each test, and the actions of a user on the page. */

import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { AxeBuilder } from "@axe-core/playwright";
import { test as base, expect, type Page } from "@playwright/test";
import { LocalStack } from "../local-stack.js";
import { Worker } from "./worker.js";

const SCREENSHOTS = process.env.SCREENSHOTS;

interface Fixtures {
  pace: number;
  stack: LocalStack;
  progressPage: ProgressPage;
  worker: Worker;
}

export const test = base.extend<Fixtures>({
  /** Minimum duration of a stage, in milliseconds. */
  pace: [1500, { option: true }],
  stack: async ({ pace }, use) => {
    const stack = await LocalStack.start({ pace });
    await use(stack);
    await stack.stop();
  },
  progressPage: async ({ page, stack }, use) => {
    const opened = new ProgressPage(page);
    // Faults that a test injects do not affect the loading of the page.
    const config = page.waitForResponse("**/config.json");
    await page.goto(stack.urls.http_api);
    await (await config).finished();
    await use(opened);
    expect(opened.mistakes).toEqual([]);
  },
  worker: async ({ context, request, stack }, use) => {
    await use(new Worker(context, request, stack));
  },
});

export { expect };

/** Holds back the responses to requests of this URL until the returned function is called. */
export async function hold(page: Page, address: string): Promise<() => void> {
  let letGo = () => {};
  const held = new Promise<void>((go) => {
    letGo = go;
  });
  await page.route(address, async (route) => {
    await held;
    await route.continue();
  });
  return letGo;
}

export class ProgressPage {
  readonly page: Page;
  /** Errors that the page's code has thrown. */
  readonly mistakes: string[] = [];

  constructor(page: Page) {
    this.page = page;
    page.on("pageerror", (error) => this.mistakes.push(String(error)));
  }

  get headline() {
    return this.page.locator("#headline");
  }

  get connection() {
    return this.page.locator("#connection");
  }

  get overall() {
    return this.page.getByRole("progressbar", { name: "Whole job" });
  }

  get rooms() {
    return this.page.locator(".room-list li");
  }

  get drawnRooms() {
    return this.page.locator(".rooms rect");
  }

  button(name: string) {
    return this.page.getByRole("button", { name, exact: true });
  }

  async takeSample(): Promise<void> {
    await this.button("Use the sample").click();
  }

  async choose(name: string, mimeType: string, content: Buffer): Promise<void> {
    await this.page.locator("#file").setInputFiles({ name, mimeType, buffer: content });
  }

  /** Waits until the job is between its start and its end. */
  async midway(): Promise<void> {
    await expect(this.headline).toHaveText("Working");
    await expect(this.overall).toHaveAttribute("aria-valuenow", /^[1-9]/);
  }

  /** Waits for the sample's rooms in the list and in the plan. */
  async isDone(): Promise<void> {
    await expect(this.headline).toHaveText("Done");
    await expect(this.rooms).toHaveCount(8);
    await expect(this.drawnRooms).toHaveCount(8);
    // An overlay on a sheet without a height would be invisible.
    await expect(this.page.locator(".sheet")).toBeVisible();
    await expect(this.overall).toHaveAttribute("aria-valuenow", "100");
    await expect(this.page.locator("#failure")).toBeHidden();
  }

  /** Fails on serious findings of axe, and on any finding about contrast. */
  async isAccessible(): Promise<void> {
    const { violations } = await new AxeBuilder({ page: this.page }).analyze();
    const found = violations.map(({ id, impact, nodes }) => ({
      id,
      impact,
      where: nodes.map(({ target, failureSummary }) => `${target}: ${failureSummary}`),
    }));
    expect(found).toEqual([]);
  }

  /**
   * Checks `isAccessible` and takes a screenshot in light and dark. For states that `accessibility.spec.ts`
   * does not reach.
   */
  async isAccessibleIn(state: string): Promise<void> {
    for (const colorScheme of ["light", "dark"] as const) {
      // Colours in transition between the schemes would fail the contrast check.
      await this.page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await this.picture(`${state}-${colorScheme}`);
      await this.isAccessible();
    }
    await this.page.emulateMedia({ colorScheme: null, reducedMotion: null });
  }

  /** Saves a screenshot in the folder `SCREENSHOTS`, if it is set. */
  async picture(name: string): Promise<void> {
    if (!SCREENSHOTS) return;
    mkdirSync(SCREENSHOTS, { recursive: true });
    await this.page.screenshot({ path: `${SCREENSHOTS}/${name}.png`, fullPage: true });
  }
}

export function file(path: string): string {
  return fileURLToPath(new URL(`../../${path}`, import.meta.url));
}
