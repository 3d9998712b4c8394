/** The jobs of this browser. */

import { expect, ProgressPage, test } from "./fixtures.js";

test("a job that goes on is found again among the recent ones, and followed there", async ({
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

test("a job that goes on is listed in two windows over a connection each, which they keep", async ({
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

test("what is forgotten is gone, in another window too", async ({
  progressPage,
  context,
  page,
}) => {
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
