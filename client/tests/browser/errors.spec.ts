/** Errors are shown with a message that says what to do. */

import { readFile } from "node:fs/promises";
import { expect, file, hold, ProgressPage, test } from "./fixtures.js";

test.use({ pace: 0 });

test("file that is not an image is rejected before the upload", async ({ progressPage, page }) => {
  await progressPage.choose("notes.txt", "text/plain", Buffer.from("no plan"));
  await expect(page.getByRole("alert")).toContainText("is not PNG or JPEG");
  await progressPage.picture("bad-file");
  await progressPage.button("Another job").click();
  await expect(progressPage.button("Choose a file")).toBeVisible();
});

test("file with a false extension is rejected by the service", async ({ progressPage, page }) => {
  await progressPage.choose("plan.png", "image/png", Buffer.from("no plan"));
  await expect(page.getByRole("alert")).toContainText("unsupported_media_type");
});

test("oversized file is rejected before the upload", async ({ progressPage, page }) => {
  await progressPage.choose("plan.png", "image/png", Buffer.alloc(5 * 1024 * 1024));
  await expect(page.getByRole("alert")).toContainText("the limit is 4 MB");
});

test("plan without walls shows the pipeline's error", async ({ progressPage, page }) => {
  const blank = await page.evaluate(() => {
    const canvas = document.createElement("canvas");
    const context = canvas.getContext("2d");
    if (context) {
      context.fillStyle = "white";
      context.fillRect(0, 0, canvas.width, canvas.height);
    }
    return canvas.toDataURL("image/png").split(",")[1] ?? "";
  });
  await progressPage.choose("blank.png", "image/png", Buffer.from(blank, "base64"));
  await expect(progressPage.headline).toHaveText("Failed");
  await expect(page.getByRole("alert")).toContainText("no_walls");
  await progressPage.isAccessibleIn("failed");
});

test("unreachable service is named", async ({ progressPage, page, stack }) => {
  await stack.stop();
  const plan = Buffer.from("not read by anyone");
  await progressPage.choose("plan.png", "image/png", plan);
  await expect(page.getByRole("alert")).toContainText(
    `Cannot reach the service at ${stack.urls.http_api}`,
  );
});

test("unknown job shows an error", async ({ progressPage, page, stack }) => {
  await page.goto(
    `${stack.urls.http_api}/#job=job_20260101_0123456789abcdef&key=${"0".repeat(32)}`,
  );
  await expect(page.getByRole("alert")).toContainText("no longer exists");
  await progressPage.button("Another job").click();
  await expect(page.locator("#recent-list")).toContainText("No longer kept");
});

test("link replaces the stored key only if its key is valid", async ({
  progressPage,
  context,
  page,
  stack,
}) => {
  await progressPage.takeSample();
  await progressPage.isDone();
  const kept = () =>
    page.evaluate(() => JSON.parse(localStorage.getItem("stagecast.jobs") ?? "[]")[0]);
  const { jobId, accessKey } = await kept();
  const follow = async (key: string) => {
    const window = new ProgressPage(await context.newPage());
    await window.page.goto(`${stack.urls.http_api}/#job=${jobId}&key=${key}`);
    await window.isDone();
    expect(await kept()).toMatchObject({ accessKey, name: "sample-plan.png" });
  };
  await follow("0".repeat(32));
  await page.evaluate(() => {
    const [job] = JSON.parse(localStorage.getItem("stagecast.jobs") ?? "[]");
    const damaged = { ...job, accessKey: "0".repeat(32) };
    localStorage.setItem("stagecast.jobs", JSON.stringify([damaged]));
  });
  await follow(accessKey);
});

test("failed fetch of the sample shows an error", async ({ progressPage, page }) => {
  await page.route("**/sample-plan.png", (route) => route.fulfill({ status: 404 }));
  await progressPage.takeSample();
  await expect(page.getByRole("alert")).toContainText("The sample plan cannot be fetched");
  await progressPage.button("Another job").click();
  await expect(progressPage.button("Choose a file")).toBeVisible();
});

test("action before the configuration runs afterwards", async ({ progressPage, page }) => {
  const answer = await hold(page, "**/config.json");
  await page.reload();
  await progressPage.takeSample();
  answer();
  await progressPage.isDone();
});

for (const [trouble, answer, words] of [
  ["missing", { status: 404 }, "returned status 404"],
  ["no JSON", { body: "<!doctype html>" }, "is not JSON"],
  ["not complete", { json: { http_api: "http://127.0.0.1" } }, "lacks http_api or websocket"],
  ["out of reach", null, "cannot be reached"],
] as const) {
  test(`config.json that is ${trouble} is reported and retried`, async ({ progressPage, page }) => {
    await page.route("**/config.json", (route) => (answer ? route.fulfill(answer) : route.abort()));
    await page.reload();
    await expect(page.getByRole("alert")).toContainText(`config.json ${words}`);
    await expect(progressPage.button("Another job")).toBeHidden();
    await progressPage.picture("no-config");
    await page.unrouteAll();
    await expect(progressPage.button("Choose a file")).toBeVisible();
    await progressPage.takeSample();
    await progressPage.isDone();
  });
}

test("full browser storage does not prevent watching", async ({ progressPage, page }) => {
  await page.addInitScript(() => {
    Storage.prototype.setItem = () => {
      throw new DOMException("full", "QuotaExceededError");
    };
  });
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.reload();
  await progressPage.takeSample();
  await progressPage.isDone();
  await progressPage.button("Copy link to watch").click();
  const copied = () => page.evaluate(() => navigator.clipboard.readText());
  await expect.poll(copied).toContain("key=");
  const link = await copied();
  await page.goto("about:blank");
  await page.goto(link);
  await progressPage.isDone();
});

test("job without its key explains where to get it", async ({ page, stack }) => {
  await page.goto(`${stack.urls.http_api}/#job=job_20260101_0123456789abcdef`);
  await expect(page.getByRole("alert")).toContainText("Copy link to watch");
});

test("blocked WebSockets fall back to HTTP", async ({ progressPage, page }) => {
  await page.routeWebSocket(/live/, (socket) => socket.close());
  await page.reload();
  await progressPage.takeSample();
  await progressPage.isDone();
});

test("failing WebSocket constructor falls back to HTTP", async ({ progressPage, page, stack }) => {
  const { http_api } = stack.urls;
  await page.route("**/config.json", (route) =>
    route.fulfill({ json: { http_api, websocket: "ws://" } }),
  );
  await page.reload();
  await progressPage.takeSample();
  await progressPage.isDone();
});

for (const ending of ["is taken", "fails"]) {
  test(`abandoned upload that ${ending} does not replace the current one`, async ({
    progressPage,
    page,
  }) => {
    const uploads: (() => void)[] = [];
    await page.route("**/v1/jobs", async (route) => {
      const isFirst = uploads.length === 0;
      await new Promise<void>((go) => uploads.push(go));
      if (isFirst && ending === "fails") await route.abort();
      else await route.continue();
    });
    const content = await readFile(file("floor-plan/sample-plan.png"));
    await progressPage.choose("first.png", "image/png", content);
    await expect.poll(() => uploads.length).toBe(1);
    await page.getByRole("link", { name: "Stagecast" }).click();
    await progressPage.choose("second.png", "image/png", content);
    await expect.poll(() => uploads.length).toBe(2);
    const [first, second] = uploads;
    const answered =
      ending === "fails"
        ? page.waitForEvent("requestfailed")
        : page.waitForEvent("requestfinished");
    first?.();
    await answered;
    // The page has had time to process the response.
    await page.waitForTimeout(300);
    await expect(progressPage.headline).toHaveText("Uploading…");
    await expect(page.locator("#job-name")).toHaveText("second.png");
    second?.();
    await progressPage.isDone();
    await expect(page.locator("#job-name")).toHaveText("second.png");
  });
}

test("late sample does not replace a chosen file", async ({ progressPage, page }) => {
  const answer = await hold(page, "**/sample-plan.png");
  await progressPage.takeSample();
  await expect(page.locator("#job-name")).toHaveText("sample-plan.png");
  await page.getByRole("link", { name: "Stagecast" }).click();
  const content = await readFile(file("floor-plan/sample-plan.png"));
  await progressPage.choose("mine.png", "image/png", content);
  const fetched = page.waitForResponse("**/sample-plan.png");
  answer();
  await fetched;
  await progressPage.isDone();
  await expect(page.locator("#job-name")).toHaveText("mine.png");
});

test("remaining time is hidden when it is over or the job is rejected", async ({
  context,
  stack,
}) => {
  const progressPage = new ProgressPage(await context.newPage());
  const { page } = progressPage;
  const jobId = "job_20260101_0123456789abcdef";
  const common = { job_id: jobId, correlation_id: "conn_test", timestamp: "2026-01-01T00:00:00Z" };
  let send = (_: object) => {};
  await page.routeWebSocket(/live/, (socket) => {
    send = (message) => socket.send(JSON.stringify({ ...common, ...message }));
    socket.onMessage((text) => {
      const { request_id } = JSON.parse(String(text));
      const status = { ...common, seq: 0, status: "queued", stage: null, message: "Waiting" };
      send({ type: "subscribed", request_id, seq: 0, recovered: true, status });
    });
  });
  const progress = { type: "progress_update", seq: 0, stage: "stage_1", message: "Working..." };
  await page.goto(`${stack.urls.http_api}/#job=${jobId}&key=${"0".repeat(32)}`);
  await expect(progressPage.connection).toHaveText("Live");
  const remaining = page.locator("#remaining");
  send({ ...progress, progress: 10, estimated_seconds_remaining: 3 });
  await expect(remaining).toHaveText(/^about \d s left$/);
  await expect(remaining).toHaveText("");
  send({ ...progress, progress: 20, estimated_seconds_remaining: 60 });
  await expect(remaining).toHaveText(/^about \d\d s left$/);
  send({ type: "error", code: "job_not_found", message: "no such job", request_id: "none" });
  await expect(progressPage.headline).toHaveText("That did not work");
  await expect(remaining).toHaveText("");
});
