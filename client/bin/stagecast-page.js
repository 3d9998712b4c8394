#!/usr/bin/env node
/** The command `stagecast-page`: builds the progress page for a product. */

import { parseArgs } from "node:util";
import { buildPage, PageError, previewPage } from "../page/build.js";

const USAGE = `Builds the Stagecast progress page.

Usage: stagecast-page build --out DIR [--product FILE] [--input FILE]
       stagecast-page preview [--api URL] [--port PORT] [--product FILE] [--input FILE]

build writes the page as static files. preview serves it for a running stack and builds it again
after each change of the product's view.

  --product FILE  module with the product's view, TypeScript or JavaScript; without it, the
                  page is the general one
  --input FILE    input rules that apply if config.json contains none: generated/input.json
                  of the product; without it, the page then offers any file
  --out DIR       folder for the files of the page; it is emptied first
  --api URL       address of the stack, http://127.0.0.1:4800 without it
  --port PORT     port of the preview, 4801 without it`;

const DEFAULTS = { api: "http://127.0.0.1:4800", port: "4801" };

try {
  await run();
} catch (error) {
  console.error(`error: ${error instanceof Error ? error.message : error}`);
  if (error instanceof PageError && error.help) console.error(`help: ${error.help}`);
  process.exitCode = 1;
}

async function run() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      out: { type: "string" },
      product: { type: "string" },
      input: { type: "string" },
      api: { type: "string", default: DEFAULTS.api },
      port: { type: "string", default: DEFAULTS.port },
      help: { type: "boolean", short: "h" },
    },
  });
  const { out, product, input, api, port, help } = values;
  const [command] = positionals;
  if (help) {
    console.log(USAGE);
  } else if (command === "build") {
    if (!out) {
      throw new PageError("build needs --out DIR", "stagecast-page build --out generated/page");
    }
    await buildPage({ outDir: out, product, input });
  } else if (command === "preview") {
    console.log(`Page  ${await previewPage({ api, port: Number(port), product, input })}`);
  } else {
    throw new PageError(`unknown command: ${command ?? "none"}`, "stagecast-page --help");
  }
}
