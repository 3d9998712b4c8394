/** A job from its picture to its rooms, with interruptions. */

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LocalStack } from "../local-stack.js";
import { expect, file, ProgressPage, test } from "./fixtures.js";

const plan = () => readFile(file("floor-plan/sample-plan.png"));

test("chosen plan shows its rooms in the list and the plan", async ({
  progressPage,
  page,
  worker,
}) => {
  await progressPage.choose("my-plan.png", "image/png", await plan());
  await worker.begin();
  await expect(progressPage.connection).toHaveText("Live");
  await progressPage.midway();
  await expect(page.getByRole("progressbar", { name: "Walls" })).toBeVisible();
  await worker.findWalls();
  await worker.findRooms();
  await progressPage.isDone();
  await expect(page.locator("#stages")).toContainText("27 walls");
  await expect(page.locator("#job-name")).toHaveText("my-plan.png");
  await expect(page).toHaveTitle("Done · Stagecast");
  await expect(progressPage.connection).toBeHidden();
});

test("dropped plan is uploaded", async ({ progressPage, page }) => {
  const bytes = [...(await plan())];
  const dropped = await page.evaluateHandle((content) => {
    const transfer = new DataTransfer();
    const picture = new File([new Uint8Array(content)], "dropped.png", { type: "image/png" });
    transfer.items.add(picture);
    return transfer;
  }, bytes);
  await page.dispatchEvent("#drop", "drop", { dataTransfer: dropped });
  await progressPage.isDone();
});

test("room under the pointer is highlighted in the plan", async ({ progressPage }) => {
  await progressPage.takeSample();
  await progressPage.isDone();
  await progressPage.rooms.nth(2).getByRole("button").focus();
  await expect(progressPage.page.locator(".rooms .pointed")).toHaveAttribute("data-room", "3");
});

test("stages can have any name and results any shape", async ({
  progressPage,
  page,
  request,
  stack,
}) => {
  const jobs = `${stack.urls.http_api}/v1/jobs`;
  const made = await request.post(`${jobs}?worker=external`, {
    headers: { "content-type": "text/plain" },
    data: "one two three",
  });
  const { job_id: jobId, access_key: key, worker_key: workerKey } = await made.json();
  await page.goto(`${stack.urls.http_api}/#job=${jobId}&key=${key}`);
  await expect(progressPage.connection).toHaveText("Live");
  const ask = async (what: string, data: object) => {
    const headers = { authorization: `Bearer ${workerKey}` };
    const answer = await request.post(`${jobs}/${jobId}/${what}`, { headers, data });
    expect(answer.ok(), await answer.text()).toBe(true);
  };
  await ask("claim", { stages: ["row", "constructor"] });
  const results = { rooms: [{ id: "hall" }, null, 3], segments: 4, image: {} };
  const events = [
    { type: "progress_update", stage: "row", progress: 50, message: "Working..." },
    { type: "stage_complete", stage: "row", results },
    { type: "stage_complete", stage: "constructor", results },
    { type: "job_complete" },
  ];
  await ask("events", { epoch: 1, after_seq: 0, events });
  await expect(progressPage.headline).toHaveText("Done");
  await expect(page.locator("#stages li")).toHaveText([/^\s*Row\s+done/, /^\s*Constructor\s+done/]);
  await expect(page.getByRole("progressbar", { name: "Row" })).toHaveCount(1);
  await expect(page.locator(".tree")).toContainText('"hall"');
  await progressPage.isAccessible();
});

test.describe("in mid-job", () => {
  test("reload resumes the job", async ({ progressPage, page, worker }) => {
    await progressPage.takeSample();
    await worker.begin();
    await worker.findWalls();
    await expect(page.locator("#stages")).toContainText("27 walls");
    await page.reload();
    await expect(progressPage.connection).toHaveText("Live");
    await expect(page.locator("#stages")).toContainText("27 walls");
    await expect(progressPage.headline).toHaveText("Working");
    // The picture was stored.
    await expect(page.locator(".picture")).toBeVisible();
    await worker.findRooms();
    await progressPage.isDone();
  });

  test("second window shows the same job", async ({
    progressPage,
    context,
    browser,
    page,
    worker,
  }) => {
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    await progressPage.takeSample();
    await worker.begin();
    await progressPage.midway();
    // The text is shown only briefly; a busy machine might miss it.
    const saidSo = page.locator("#share").evaluate(
      (button) =>
        new Promise<void>((seen) => {
          const look = () => button.textContent === "Copied" && seen();
          new MutationObserver(look).observe(button, { childList: true });
        }),
    );
    await progressPage.button("Copy link to watch").click();
    await saidSo;
    const link = await page.evaluate(() => navigator.clipboard.readText());

    const window = new ProgressPage(await context.newPage());
    await window.page.goto(page.url());
    const elsewhere = new ProgressPage(await browser.newPage());
    await elsewhere.page.goto(link);
    // The key is removed from the URL.
    await expect(elsewhere.page).not.toHaveURL(/key=/);

    const all = [progressPage, window, elsewhere];
    for (const each of all) await each.midway();
    await worker.findWalls();
    await worker.findRooms();
    await Promise.all(all.map((each) => each.isDone()));
    const rooms = await Promise.all(all.map((each) => each.rooms.allTextContents()));
    expect(rooms[1]).toEqual(rooms[0]);
    expect(rooms[2]).toEqual(rooms[0]);
    await expect(window.page.locator(".picture")).toBeVisible();
    await expect(elsewhere.page.locator(".picture")).toBeHidden();
    await elsewhere.page.close();
  });

  test("offline is shown and the job catches up afterwards", async ({
    progressPage,
    context,
    page,
    worker,
  }) => {
    // Chromium keeps open connections when it goes offline, so the test closes this one.
    const close: (() => Promise<void>)[] = [];
    await page.routeWebSocket(/live/, (socket) => {
      socket.connectToServer();
      close.push(() => socket.close());
    });
    await page.reload();
    await progressPage.takeSample();
    await worker.begin();
    await progressPage.midway();
    await context.setOffline(true);
    await page.routeWebSocket(/live/, (socket) => socket.close());
    for (const each of close) await each();
    await expect(progressPage.connection).toHaveText("Offline");
    await progressPage.isAccessibleIn("offline");
    await worker.findWalls();
    await page.unrouteAll();
    await page.routeWebSocket(/live/, (socket) => void socket.connectToServer());
    await context.setOffline(false);
    await expect(progressPage.connection).toHaveText("Live");
    await expect(page.locator("#stages")).toContainText("27 walls");
    await worker.findRooms();
    await progressPage.isDone();
  });
});

test.describe("in a long job", () => {
  // Long enough to open a second window and to cancel in time on a busy machine.
  test.use({ pace: 20_000 });

  test("cancelled job is shown in both windows", async ({ progressPage, context, page }) => {
    await progressPage.takeSample();
    await progressPage.midway();
    const window = new ProgressPage(await context.newPage());
    await window.page.goto(page.url());
    await window.midway();
    await progressPage.button("Cancel").click();
    for (const each of [progressPage, window]) {
      await expect(each.headline).toHaveText("Cancelled");
      await expect(each.button("Cancel")).toBeHidden();
      await expect(each.button("Another job")).toBeVisible();
    }
    await progressPage.isAccessibleIn("cancelled");
  });
});

test.describe("with a failing service", () => {
  test.use({ pace: 20_000 });

  test("failed cancellation is shown and can be repeated", async ({ progressPage, page }) => {
    // Removes the backoff between attempts.
    await page.addInitScript(() => {
      Math.random = () => 0;
    });
    let inTrouble = true;
    await page.routeWebSocket(/live/, (socket) => {
      const server = socket.connectToServer();
      socket.onMessage((text) => {
        const { type, request_id } = JSON.parse(String(text));
        if (type !== "cancel_job" || !inTrouble) return server.send(text);
        const error = { type: "error", code: "internal", message: "out of order", request_id };
        socket.send(JSON.stringify({ ...error, timestamp: "2026-01-01T00:00:00Z" }));
      });
    });
    await page.reload();
    await progressPage.takeSample();
    await progressPage.midway();
    await expect(progressPage.connection).toHaveText("Live");
    await progressPage.button("Cancel").click();
    await expect(page.locator("#notice")).toHaveText("Out of order");
    await expect(progressPage.button("Cancel")).toBeEnabled();
    await expect(progressPage.headline).toHaveText("Working");
    inTrouble = false;
    await progressPage.button("Cancel").click();
    await expect(progressPage.headline).toHaveText("Cancelled");
    await expect(page.locator("#notice")).toBeHidden();
  });
});

test.describe("without a connection", () => {
  test.use({ pace: 20_000 });

  test("countdown is visible but not announced", async ({ progressPage, page, stack }) => {
    await progressPage.takeSample();
    await progressPage.midway();
    await stack.stop();
    const waiting = /^No connection, trying again in \d+ s…$/;
    await expect(progressPage.connection).toHaveText(waiting, { timeout: 60_000 });
    await progressPage.isAccessibleIn("no-connection");
    await expect(progressPage.connection.getByRole("status")).toHaveText(/^[^\d]*$/);
    await expect(page.locator("#connection-seconds")).toHaveAttribute("aria-hidden", "true");
  });
});

test("killed and restarted server continues the job", async ({ page }) => {
  // An interrupted run holds its lease for half a minute.
  test.setTimeout(420_000);
  const dataDir = await mkdtemp(join(tmpdir(), "stagecast-"));
  const progressPage = new ProgressPage(page);
  let stack = await LocalStack.start({ pace: 20_000, dataDir });
  try {
    await page.goto(stack.urls.http_api);
    await progressPage.takeSample();
    await expect(page.locator("#stages")).toContainText("27 walls");
    await stack.kill();
    await expect(progressPage.connection).toHaveAttribute("data-state", "resuming");
    await progressPage.picture("server-gone");
    stack = await LocalStack.start({ pace: 500, dataDir, port: stack.port });
    // Waits for the end of the job, which a busy machine may reach before the page is back.
    await expect(progressPage.connection).toHaveAttribute("data-state", /^(live|ended)$/);
    await progressPage.isDone();
    expect(progressPage.mistakes).toEqual([]);
  } finally {
    await stack.stop();
    await rm(dataDir, { recursive: true });
  }
});
