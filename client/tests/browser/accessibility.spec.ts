/** In light and dark, on a desktop and a phone: accessible, and without horizontal overflow. */

import { expect, test } from "./fixtures.js";

const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };

for (const colorScheme of ["light", "dark"] as const) {
  for (const [device, settings] of [
    ["desk", {}],
    ["phone", PHONE],
  ] as const) {
    test.describe(`${colorScheme}, on a ${device}`, () => {
      test.use({ ...settings, colorScheme });

      test("every state is accessible and fits the screen", async ({
        progressPage,
        page,
        worker,
      }) => {
        const look = async (state: string) => {
          await page.mouse.move(0, 0);
          await progressPage.picture(`${state}-${colorScheme}-${device}`);
          await progressPage.isAccessible();
          const beside = await page.evaluate(
            () => document.documentElement.scrollWidth - window.innerWidth,
          );
          expect(beside).toBeLessThanOrEqual(0);
        };
        await look("home");
        await progressPage.takeSample();
        await worker.begin();
        await worker.findWalls();
        await expect(page.getByRole("progressbar", { name: "Rooms" })).toBeVisible();
        await look("working");
        await worker.findRooms();
        await progressPage.isDone();
        await look("done");
        await page.locator("#log summary").click();
        await look("messages");
        await progressPage.button("Another job").click();
        await expect(page.locator("#recent-list li")).toHaveCount(1);
        await look("recent");
        await progressPage.choose("notes.txt", "text/plain", Buffer.from("no plan"));
        await look("refused");
      });
    });
  }
}

test("page can be used by keyboard", async ({ progressPage, page }) => {
  await page.keyboard.press("Tab");
  await expect(page.getByRole("link", { name: "Stagecast" })).toBeFocused();
  await page.keyboard.press("Tab");
  await expect(progressPage.button("Choose a file")).toBeFocused();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await expect(progressPage.headline).toBeFocused();
  await progressPage.isDone();
  await page.keyboard.press("Tab");
  await expect(progressPage.button("Another job")).toBeFocused();
});

test("starts, quarters and ends are announced once", async ({ progressPage, page, worker }) => {
  await page.evaluate(() => {
    const said: string[] = [];
    Object.assign(window, { said });
    const announcer = document.getElementById("announcer") as HTMLElement;
    new MutationObserver(() => said.push(announcer.textContent ?? "")).observe(announcer, {
      childList: true,
    });
  });
  await progressPage.takeSample();
  await worker.begin();
  await progressPage.midway();
  await expect(progressPage.connection).toHaveText("Live");
  await worker.findWalls();
  await expect(page.getByRole("progressbar", { name: "Rooms" })).toBeVisible();
  await worker.findRooms();
  await progressPage.isDone();
  const said = await page.evaluate(() => (window as unknown as { said: string[] }).said);
  const words = said.filter(Boolean);
  expect(words).toEqual([...new Set(words)]);
  expect(words).toEqual(
    expect.arrayContaining([
      "Walls started",
      "Rooms started",
      "Rooms finished: 8 rooms",
      "The job is done",
    ]),
  );
});
