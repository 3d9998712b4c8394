/** The files that a job has produced. */

import { expect, ProgressPage, test } from "./fixtures.js";

test.use({ pace: 0 });

test("files of a job are listed with their sizes, and downloaded with the job's key", async ({
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
  await expect(page.locator("#artifacts")).toBeHidden();

  const artifact = { content_type: "text/csv", sha256: "0a".repeat(32) };
  const artifacts = [
    { ...artifact, name: "rooms.csv", size: 2048 },
    { ...artifact, name: "plan-1.png", size: 3 * 1024 * 1024, content_type: "image/png" },
  ];
  send({ type: "stage_complete", seq: 1, stage: "draw", results: null, artifacts });
  await expect(page.locator("#artifacts li")).toHaveText(["rooms.csv2 KB", "plan-1.png3 MB"]);
  await progressPage.isAccessibleIn("artifacts");

  const path = `/v1/jobs/${jobId}/artifacts/rooms.csv`;
  await page.route(`**${path}`, (route) => route.fulfill({ status: 404, json: {} }));
  const asked = page.waitForRequest(`**${path}`);
  await page.getByRole("button", { name: "Download rooms.csv, 2 KB" }).click();
  expect(await (await asked).headerValue("authorization")).toBe(`Bearer ${"0".repeat(32)}`);
  await expect(page.locator("#notice")).toContainText("404");
});
