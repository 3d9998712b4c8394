/** A web server for the static files of a page, which does not serve the APIs. */

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";

const MEDIA_TYPES: Record<string, string> = {
  ".css": "text/css",
  ".html": "text/html",
  ".js": "text/javascript",
  ".png": "image/png",
};

export interface Site {
  /** URL of the page. */
  readonly url: string;
  close(): void;
}

/** Serves the files of `folder` under `path`, with a `config.json`. */
export async function serve(folder: string, config: object, path = "/"): Promise<Site> {
  const server = createServer(async (request, response) => {
    const name = (request.url ?? "").slice(path.length) || "index.html";
    try {
      const content =
        name === "config.json" ? JSON.stringify(config) : await readFile(join(folder, name));
      response.setHeader("content-type", MEDIA_TYPES[extname(name)] ?? "application/json");
      response.end(content);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://localhost:${port}${path}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
