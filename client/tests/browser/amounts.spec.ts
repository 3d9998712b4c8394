/** The amount of work of a stage, with and without a total. */

import { expect, ProgressPage, test } from "./fixtures.js";

test.use({ pace: 0 });

test("stage shows its amount of work, and an indeterminate bar while the total is unknown", async ({
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
  await page.goto(`${stack.urls.http_api}/#job=${jobId}&key=${"0".repeat(32)}`);
  await expect(progressPage.connection).toHaveText("Live");
  const progress = { type: "progress_update", seq: 0, stage: "add_up", overall_progress: 0 };
  const bar = page.locator("#stages .meter");

  const listing = { completed: 1200, unit: "rows", indeterminate: true, message: "Counting..." };
  send({ ...progress, progress: 0, ...listing, estimated_seconds_remaining: null });
  await expect(page.locator(".stage-note")).toHaveText("1,200 rows");
  await expect(page.locator(".stage-percent")).toHaveText("");
  await expect(bar).toHaveAttribute("aria-valuetext", "1,200 rows");
  await expect(bar).not.toHaveAttribute("aria-valuenow");
  await expect(page.locator("#remaining")).toHaveText("");
  await progressPage.isAccessibleIn("amount-indeterminate");

  const adding = { completed: 2400, total: 5000, unit: "rows", message: "Adding up..." };
  send({ ...progress, progress: 48, ...adding, estimated_seconds_remaining: 60 });
  await expect(page.locator(".stage-note")).toHaveText("2,400 of 5,000 rows");
  await expect(page.locator(".stage-percent")).toHaveText("48 %");
  await expect(bar).toHaveAttribute("aria-valuenow", "48");
  await expect(page.locator("#remaining")).toHaveText(/^about \d\d s left$/);
  await progressPage.isAccessibleIn("amount-of-total");
});
