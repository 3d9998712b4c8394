/** The page as static files of a web server that does not serve the APIs. */

import { expect, file, ProgressPage, test } from "./fixtures.js";
import { serve } from "./static-server.js";

test("page works as static files with a config.json", async ({ page, stack }) => {
  const { http_api, websocket } = stack.urls;
  const site = await serve(file("../generated/page"), { http_api, websocket }, "/jobs/");
  const progressPage = new ProgressPage(page);
  await page.goto(site.url);
  await progressPage.takeSample();
  await progressPage.isDone();
  await page.reload();
  await progressPage.isDone();
  expect(progressPage.mistakes).toEqual([]);
  site.close();
});

test("page of the floor plans is general for other input rules", async ({ page, stack }) => {
  const { http_api, websocket } = stack.urls;
  const media_types = [{ name: "text/plain", label: "plain text", extensions: [".txt"] }];
  const input = { name: "letter", media_types, max_bytes: 1024 };
  const site = await serve(file("../generated/page"), { http_api, websocket, input });
  await page.goto(site.url);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Start a job with a letter");
  await expect(page.locator("#drop-hint")).toHaveText("Plain text, up to 1 KB");
  await expect(page.locator("#sample")).toBeHidden();
  site.close();
});
