/** The general page, built without a product's view, with jobs that no product of ours knows. */

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildPage } from "../../page/build.js";
import { test as base, expect, ProgressPage } from "./fixtures.js";
import { serve } from "./static-server.js";
import { ExternalWorker } from "./worker.js";

const RULES = {
  name: "order export",
  media_types: [
    { name: "text/csv", label: "CSV", extensions: [".csv"] },
    { name: "application/json", label: "JSON", extensions: [".json"] },
  ],
  max_bytes: 4 * 1024 * 1024,
};

const ORDERS = `order,customer,item,quantity,price
10421,Ada Lovelace,Brass gear,4,12.50
10422,Grace Hopper,"Relay, small",12,3.20
10423,Alan Turing,Paper tape,30,0.85
10424,Katherine Johnson,Slide rule,1,48.00
10425,Edsger Dijkstra,Graph paper,5,2.40
10426,Barbara Liskov,Type cabinet,2,119.00
`;

const STAGES = ["read_rows", "check_prices", "sum_up"];

const COUNTED = { rows: 6, columns: 5, encoding: "UTF-8" };

const CHECKED = {
  checked: 6,
  currency: "EUR",
  findings: [
    { order: 10423, field: "price", problem: "below the list price", expected: 0.95 },
    { order: 10426, field: "quantity", problem: "more than in stock", expected: null },
  ],
};

const TOTALS = [
  { customer: "Ada Lovelace", orders: 1, items: 4, total: 50, approved: true },
  { customer: "Grace Hopper", orders: 1, items: 12, total: 38.4, approved: true },
  { customer: "Alan Turing", orders: 1, items: 30, total: 25.5, approved: false },
  { customer: "Katherine Johnson", orders: 1, items: 1, total: 48, approved: true },
  { customer: "Edsger Dijkstra", orders: 1, items: 5, total: 12, approved: true },
  { customer: "Barbara Liskov", orders: 1, items: 2, total: 238, approved: false },
];

const REPORT = {
  report: {
    title: "Orders of November",
    totals: { net: 411.9, tax: 78.26, by_currency: { EUR: 411.9 } },
    pages: [
      { number: 1, lines: ["Ada Lovelace", "Grace Hopper"], notes: [] },
      { number: 2, lines: ["Alan Turing"], notes: [{ kind: "price", text: "below the list" }] },
    ],
  },
  approved: true,
  reviewer: null,
};

interface Fixtures {
  external: ExternalWorker;
}

const test = base.extend<Fixtures, { pageFolder: string }>({
  pageFolder: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of the fixtures.
    async ({}, use) => {
      const folder = await mkdtemp(join(tmpdir(), "stagecast-page-"));
      await buildPage({ outDir: folder });
      await use(folder);
      await rm(folder, { recursive: true });
    },
    { scope: "worker" },
  ],
  progressPage: async ({ page, stack, pageFolder }, use) => {
    const { http_api, websocket } = stack.urls;
    const site = await serve(pageFolder, { http_api, websocket, input: RULES });
    const opened = new ProgressPage(page);
    await page.goto(site.url);
    await expect(page.locator("#drop-title")).toHaveText("Drop an order export here");
    await use(opened);
    expect(opened.mistakes).toEqual([]);
    site.close();
  },
  external: async ({ context, request, stack }, use) => {
    await use(new ExternalWorker(context, request, stack));
  },
});

const progress = (stage: string, percent: number, message: string, seconds: number) => ({
  type: "progress_update",
  stage,
  progress: percent,
  message,
  estimated_seconds_remaining: seconds,
});
const complete = (stage: string, results: unknown) => ({ type: "stage_complete", stage, results });
const csv = (content = ORDERS) => ["orders.csv", "text/csv", Buffer.from(content)] as const;

for (const [device, settings] of [
  ["desk", {}],
  ["phone", { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true }],
] as const) {
  test.describe(`on a ${device}`, () => {
    test.use(settings);

    test("table, fields and tree of results are accessible and fit the screen", async ({
      progressPage,
      page,
      external,
    }) => {
      const look = async (state: string) => {
        await page.mouse.move(0, 0);
        await progressPage.isAccessibleIn(`general-${state}-${device}`);
        const beside = await page.evaluate(
          () => document.documentElement.scrollWidth - window.innerWidth,
        );
        expect(beside).toBeLessThanOrEqual(0);
      };
      await expect(page.getByRole("heading", { level: 1 })).toHaveText(
        "Start a job with an order export",
      );
      await expect(page.locator("#drop-hint")).toHaveText("CSV or JSON, up to 4 MB");
      await look("empty");

      await progressPage.choose(...csv());
      await external.claim(STAGES);
      await external.post(progress("read_rows", 40, "Reading rows...", 95));
      await progressPage.midway();
      const table = page.getByRole("table");
      await expect(table.locator("tbody tr")).toHaveCount(6);
      await expect(table).toContainText("Relay, small");
      await look("running");

      await external.post(
        complete("read_rows", COUNTED),
        progress("check_prices", 60, "Comparing with the price list...", 42),
      );
      await expect(page.getByRole("tab", { selected: true })).toHaveText("Read rows");
      await expect(page.locator(".fields")).toContainText("UTF-8");
      await look("fields");

      await external.post(
        complete("check_prices", CHECKED),
        progress("sum_up", 10, "Adding up...", 8),
      );
      await expect(page.getByRole("heading", { name: "Findings" })).toBeVisible();
      await expect(page.locator("#stages")).toContainText("2 findings");
      await look("parts");

      await external.post(complete("sum_up", TOTALS), { type: "job_complete" });
      await expect(progressPage.headline).toHaveText("Done");
      await expect(page.getByRole("tab", { selected: true })).toHaveText("Results");
      await expect(table.locator("tbody tr")).toHaveCount(6);
      await look("table");
    });

    test("nested results are a tree whose branches open", async ({
      progressPage,
      page,
      external,
    }) => {
      await progressPage.button("Paste text").click();
      await page.locator("#text-format").selectOption("JSON");
      await page.locator("#text").fill('{"orders": [}');
      await progressPage.button("Start the job").click();
      await expect(page.getByRole("alert")).toContainText("This is not valid JSON");
      await progressPage.isAccessibleIn(`general-paste-${device}`);
      await page.locator("#text").fill('{"orders": [{"id": 10421}, {"id": 10422}]}');
      await progressPage.button("Start the job").click();
      await external.claim(["report"]);
      await external.post(complete("report", REPORT), { type: "job_complete" });
      const tree = page.locator(".tree");
      await expect(tree).toContainText('"below the list"');
      await tree.locator("summary", { hasText: "pages" }).click();
      await expect(tree.getByText('"below the list"')).toBeHidden();
      await tree.locator("summary", { hasText: "pages" }).click();
      await progressPage.isAccessibleIn(`general-tree-${device}`);
      await page.getByRole("tab", { name: "Input" }).press("Enter");
      await expect(page.getByRole("tab", { selected: true })).toHaveText("Input");
      await page.keyboard.press("ArrowRight");
      await expect(page.getByRole("tab", { name: "Results" })).toBeFocused();
      await expect(tree).toBeVisible();
    });

    test("failed job keeps its input and earlier results", async ({
      progressPage,
      page,
      external,
    }) => {
      await progressPage.choose(...csv());
      await external.claim(STAGES);
      await external.post(
        complete("read_rows", COUNTED),
        progress("check_prices", 60, "Comparing with the price list...", 42),
        {
          type: "job_failed",
          stage: "check_prices",
          error: {
            code: "unknown_currency",
            message:
              "row 4 has the currency “XBT”, which has no price list; correct it and try again",
          },
        },
      );
      await expect(progressPage.headline).toHaveText("Failed");
      await expect(page.getByRole("alert")).toContainText("Row 4 has the currency");
      await expect(page.locator(".fields")).toContainText("UTF-8");
      await progressPage.isAccessibleIn(`general-failed-${device}`);
      await progressPage.button("Another job").click();
      await expect(page.locator("#recent-list")).toContainText("Failed · unknown currency");
      await progressPage.isAccessibleIn(`general-recent-${device}`);
    });
  });
}

test("results are copied and downloaded with all their digits", async ({
  progressPage,
  page,
  context,
  request,
  stack,
}) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const jobs = `${stack.urls.http_api}/v1/jobs`;
  const headers = { "content-type": "text/csv" };
  const made = await request.post(`${jobs}?worker=external`, { headers, data: ORDERS });
  const { job_id: jobId, access_key: key, worker_key: workerKey } = await made.json();
  await page.goto(`${page.url()}#job=${jobId}&key=${key}`);
  await expect(progressPage.connection).toHaveText("Live");
  await expect(page.locator(".placeholder")).toHaveText("Results appear here as stages complete.");
  await progressPage.isAccessibleIn("general-waiting");
  const ask = async (what: string, data: string) => {
    const headers = { authorization: `Bearer ${workerKey}`, "content-type": "application/json" };
    const answer = await request.post(`${jobs}/${jobId}/${what}`, { headers, data });
    expect(answer.ok(), await answer.text()).toBe(true);
  };
  await ask("claim", '{"stages":["find"]}');
  const rows = '[{"id":9007199254740993,"note":"=1+1"},{"id":2,"note":"a, b"}]';
  const events = `[{"type":"stage_complete","stage":"find","results":${rows}},{"type":"job_complete"}]`;
  await ask("events", `{"epoch":1,"after_seq":0,"events":${events}}`);

  await expect(page.getByRole("cell", { name: "9007199254740993" })).toBeVisible();
  await progressPage.button("Copy").click();
  const copied = () => page.evaluate(() => navigator.clipboard.readText());
  await expect.poll(copied).toContain("9007199254740993");
  const download = async (name: string) => {
    const started = page.waitForEvent("download");
    await progressPage.button(name).click();
    const saved = await started;
    return { name: saved.suggestedFilename(), text: await readFile(await saved.path(), "utf8") };
  };
  const json = await download("Download JSON");
  expect(json.name).toBe(`${jobId}-find.json`);
  expect(json.text.replace(/\s/g, "")).toBe(rows.replace(/\s/g, ""));
  const table = await download("Download CSV");
  expect(table.text).toBe('id,note\r\n9007199254740993,\'=1+1\r\n2,"a, b"\r\n');
});

test("results over the size of a message are fetched", async ({ progressPage, page, external }) => {
  await progressPage.choose(...csv());
  await external.claim(["list", "pick"]);
  const many = Array.from({ length: 1500 }, (_, id) => ({ id, words: "x".repeat(30) }));
  await external.post(complete("list", many), progress("pick", 10, "Picking...", 5));
  const rows = page.locator("tbody tr");
  await expect(rows).toHaveCount(100);
  await progressPage.button("Show 100 more").click();
  await expect(rows).toHaveCount(200);
  await external.post(complete("pick", many.slice(0, 1200)), { type: "job_complete" });
  await expect(page.locator(".results-size")).toHaveText("1,200 rows, 2 columns");
});

test("chosen tab stays selected when further results arrive", async ({
  progressPage,
  page,
  external,
}) => {
  await progressPage.choose(...csv());
  await external.claim(STAGES);
  await external.post(complete("read_rows", COUNTED));
  await page.getByRole("tab", { name: "Input" }).click();
  await external.post(complete("check_prices", CHECKED), complete("sum_up", TOTALS), {
    type: "job_complete",
  });
  await expect(page.getByRole("tab")).toHaveText(["Input", "Read rows", "Check prices", "Results"]);
  await expect(page.getByRole("tab", { selected: true })).toHaveText("Input");
  await page.reload();
  await expect(page.getByRole("tab", { selected: true })).toHaveText("Results");
  await expect(page.getByRole("tab", { name: "Input" })).toBeVisible();
});

test("text that is pasted on the start view opens the editor", async ({ progressPage }) => {
  const { page } = progressPage;
  await page.evaluate(() => {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text/plain", "order,price\n1,2\n");
    document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true }));
  });
  await expect(page.locator("#text")).toHaveValue("order,price\n1,2\n");
  await expect(page.locator("#text")).toBeFocused();
});
