/** The page as static files of a web server that does not serve the APIs. */

import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname } from "node:path";
import { expect, file, ProgressPage, test } from "./fixtures.js";

const FOLDER = "/jobs/";
const MEDIA_TYPES: Record<string, string> = {
  ".css": "text/css",
  ".html": "text/html",
  ".js": "text/javascript",
  ".png": "image/png",
};

/** Serves `generated/page` and a `config.json` with the URLs of the APIs. */
async function serve(config: object): Promise<Server> {
  const server = createServer(async (request, response) => {
    const name = (request.url ?? "").slice(FOLDER.length) || "index.html";
    try {
      const content =
        name === "config.json"
          ? JSON.stringify(config)
          : await readFile(file(`../generated/page/${name}`));
      response.setHeader("content-type", MEDIA_TYPES[extname(name)] ?? "application/json");
      response.end(content);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return server;
}

test("page works as static files with a config.json", async ({ page, stack }) => {
  const { http_api, websocket } = stack.urls;
  const site = await serve({ http_api, websocket });
  const { port } = site.address() as AddressInfo;
  const progressPage = new ProgressPage(page);
  await page.goto(`http://localhost:${port}${FOLDER}`);
  await progressPage.takeSample();
  await progressPage.isDone();
  await page.reload();
  await progressPage.isDone();
  expect(progressPage.mistakes).toEqual([]);
  site.closeAllConnections();
  site.close();
});
