/** What goes wrong is said in words, with a way out. */

import { readFile } from "node:fs/promises";
import { expect, file, hold, ProgressPage, test } from "./fixtures.js";

test.use({ pace: 0 });

test("a file that is no image is refused before it is sent", async ({ progressPage, page }) => {
  await progressPage.choose("notes.txt", "text/plain", Buffer.from("no plan"));
  await expect(page.getByRole("alert")).toContainText("is not PNG or JPEG");
  await progressPage.picture("bad-file");
  await progressPage.button("Another job").click();
  await expect(progressPage.button("Choose a file")).toBeVisible();
});

test("a file that only calls itself an image is refused by the service", async ({
  progressPage,
  page,
}) => {
  await progressPage.choose("plan.png", "image/png", Buffer.from("no plan"));
  await expect(page.getByRole("alert")).toContainText("unsupported_media_type");
});

test("a file that is too large is refused before it is sent", async ({ progressPage, page }) => {
  await progressPage.choose("plan.png", "image/png", Buffer.alloc(5 * 1024 * 1024));
  await expect(page.getByRole("alert")).toContainText("the limit is 4 MB");
});

test("a plan without walls fails with the pipeline's words", async ({ progressPage, page }) => {
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

test("a service that is away is named", async ({ progressPage, page, stack }) => {
  await stack.stop();
  const plan = Buffer.from("not read by anyone");
  await progressPage.choose("plan.png", "image/png", plan);
  await expect(page.getByRole("alert")).toContainText(`cannot reach the service at ${stack.urls.http_api}`);
});

test("a job that does not exist says so", async ({ progressPage, page, stack }) => {
  await page.goto(
    `${stack.urls.http_api}/#job=job_20260101_0123456789abcdef&key=${"0".repeat(32)}`,
  );
  await expect(page.getByRole("alert")).toContainText("does not exist any more");
  await progressPage.button("Another job").click();
  await expect(page.locator("#recent-list")).toContainText("No longer kept");
});

test("a damaged link does not take the place of a good key; a good link takes that of a damaged one", async ({
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

test("a sample that cannot be fetched says so", async ({ progressPage, page }) => {
  await page.route("**/sample-plan.png", (route) => route.fulfill({ status: 404 }));
  await progressPage.takeSample();
  await expect(page.getByRole("alert")).toContainText("The sample plan cannot be fetched");
  await progressPage.button("Another job").click();
  await expect(progressPage.button("Choose a file")).toBeVisible();
});

test("what is asked for before the page knows where the service is, is done once it does", async ({
  progressPage,
  page,
}) => {
  const answer = await hold(page, "**/config.json");
  await page.reload();
  await progressPage.takeSample();
  answer();
  await progressPage.isDone();
});

for (const [trouble, answer, words] of [
  ["missing", { status: 404 }, "was answered with 404"],
  ["no JSON", { body: "<!doctype html>" }, "is not JSON"],
  ["not complete", { json: { http_api: "http://127.0.0.1" } }, "lacks http_api or websocket"],
  ["out of reach", null, "cannot be reached"],
] as const) {
  test(`a config.json that is ${trouble} is named, and asked for until it can be used`, async ({
    progressPage,
    page,
  }) => {
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

test("where the browser's store is full, a job is watched all the same, and so is a link", async ({
  progressPage,
  page,
}) => {
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

test("a job without its key says where to get it", async ({ page, stack }) => {
  await page.goto(`${stack.urls.http_api}/#job=job_20260101_0123456789abcdef`);
  await expect(page.getByRole("alert")).toContainText("Copy link to watch");
});

test("where WebSockets are blocked, the job is followed over HTTP", async ({
  progressPage,
  page,
}) => {
  await page.routeWebSocket(/live/, (socket) => socket.close());
  await page.reload();
  await progressPage.takeSample();
  await progressPage.isDone();
});

test("where a WebSocket cannot even be made, the job is followed over HTTP", async ({
  progressPage,
  page,
  stack,
}) => {
  const { http_api } = stack.urls;
  await page.route("**/config.json", (route) =>
    route.fulfill({ json: { http_api, websocket: "ws://" } }),
  );
  await page.reload();
  await progressPage.takeSample();
  await progressPage.isDone();
});

for (const ending of ["is taken", "fails"]) {
  test(`an upload that was left and ${ending} does not show in the place of the one on show`, async ({
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
    const content = await readFile(file("page/sample-plan.png"));
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
    // The page has had the time to make something of the answer.
    await page.waitForTimeout(300);
    await expect(progressPage.headline).toHaveText("Uploading…");
    await expect(page.locator("#job-name")).toHaveText("second.png");
    second?.();
    await progressPage.isDone();
    await expect(page.locator("#job-name")).toHaveText("second.png");
  });
}

test("a sample that is fetched late does not take the place of a file chosen meanwhile", async ({
  progressPage,
  page,
}) => {
  const answer = await hold(page, "**/sample-plan.png");
  await progressPage.takeSample();
  await expect(page.locator("#job-name")).toHaveText("sample-plan.png");
  await page.getByRole("link", { name: "Stagecast" }).click();
  const content = await readFile(file("page/sample-plan.png"));
  await progressPage.choose("mine.png", "image/png", content);
  const fetched = page.waitForResponse("**/sample-plan.png");
  answer();
  await fetched;
  await progressPage.isDone();
  await expect(page.locator("#job-name")).toHaveText("mine.png");
});

test("the remaining time is not told any more when it is over, or the job is refused", async ({
  context,
  stack,
}) => {
  const progressPage = new ProgressPage(await context.newPage());
  const { page } = progressPage;
  const jobId = "job_20260101_0123456789abcdef";
  const common = { job_id: jobId, correlation_id: "conn_test", timestamp: "2026-01-01T00:00:00Z" };
  let tell = (_: object) => {};
  await page.routeWebSocket(/live/, (socket) => {
    tell = (message) => socket.send(JSON.stringify({ ...common, ...message }));
    socket.onMessage((text) => {
      const { request_id } = JSON.parse(String(text));
      const status = { ...common, seq: 0, status: "queued", stage: null, message: "Waiting" };
      tell({ type: "subscribed", request_id, seq: 0, recovered: true, status });
    });
  });
  const progress = { type: "progress_update", seq: 0, stage: "stage_1", message: "Working..." };
  await page.goto(`${stack.urls.http_api}/#job=${jobId}&key=${"0".repeat(32)}`);
  await expect(progressPage.connection).toHaveText("Live");
  const remaining = page.locator("#remaining");
  tell({ ...progress, progress: 10, estimated_seconds_remaining: 3 });
  await expect(remaining).toHaveText(/^about \d s left$/);
  await expect(remaining).toHaveText("");
  tell({ ...progress, progress: 20, estimated_seconds_remaining: 60 });
  await expect(remaining).toHaveText(/^about \d\d s left$/);
  tell({ type: "error", code: "job_not_found", message: "no such job", request_id: "none" });
  await expect(progressPage.headline).toHaveText("That did not work");
  await expect(remaining).toHaveText("");
});
