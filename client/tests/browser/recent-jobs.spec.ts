/** The list of this browser's jobs. */

import { expect, ProgressPage, test } from "./fixtures.js";

test("running job is followed in the list of recent jobs", async ({
  progressPage,
  page,
  worker,
}) => {
  await progressPage.takeSample();
  await worker.begin();
  await progressPage.midway();
  await page.getByRole("link", { name: "Stagecast" }).click();
  const row = page.locator("#recent-list li");
  await expect(row).toContainText("sample-plan.png");
  await expect(row.locator("img")).toBeVisible();
  await expect(row).toContainText("Running");
  await progressPage.picture("recent-running");
  await worker.findWalls();
  await worker.findRooms();
  await expect(row).toContainText("Done · 8 rooms");
  await row.getByRole("link").click();
  await progressPage.isDone();
  await page.goBack();
  await expect(row).toBeVisible();
});

test("running job keeps one connection in each of two windows", async ({
  progressPage,
  context,
  page,
  worker,
}) => {
  await progressPage.takeSample();
  await worker.begin();
  await progressPage.midway();
  const other = await context.newPage();
  const windows = [page, other];
  let connections = 0;
  for (const window of windows) window.on("websocket", () => (connections += 1));
  await page.getByRole("link", { name: "Stagecast" }).click();
  await other.goto(page.url());
  for (const window of windows) {
    await expect(window.locator("#recent-list li")).toContainText(/Running · \d+ %/);
  }
  await page.waitForTimeout(2000);
  expect(connections).toBe(2);
});

test("forgotten job disappears in every window", async ({ progressPage, context, page }) => {
  await progressPage.takeSample();
  await progressPage.isDone();
  await progressPage.button("Another job").click();
  const other = new ProgressPage(await context.newPage());
  await other.page.goto(page.url());
  await expect(other.page.locator("#recent-list li")).toHaveCount(1);
  await progressPage.button("Forget sample-plan.png").click();
  await expect(page.locator("#recent")).toBeHidden();
  await expect(other.page.locator("#recent")).toBeHidden();
  await expect(progressPage.button("Choose a file")).toBeFocused();
});
