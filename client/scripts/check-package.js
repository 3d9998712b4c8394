/**
 * Fails if the package cannot be used as a product in another repository uses it: installs the
 * packed files in an empty folder, checks the types of the view in docs/guide/page.md there, builds
 * its page and the general page, and previews it.
 */

import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const client = fileURLToPath(new URL("..", import.meta.url));
const guide = readFileSync(join(client, "../docs/guide/page.md"), "utf8");
const [, view] = /```ts\n(.*?)```/s.exec(guide);
const folder = mkdtempSync(join(tmpdir(), "stagecast-package-"));
const run = (command, ...options) =>
  execFileSync(command, options, { cwd: folder, stdio: ["ignore", "pipe", "inherit"] });

try {
  const installed = join(folder, "node_modules/@stagecast/client");
  mkdirSync(installed, { recursive: true });
  run("npm", "pack", "--ignore-scripts", "--silent", "--pack-destination", folder, client);
  const { version } = JSON.parse(readFileSync(join(client, "package.json"), "utf8"));
  run("tar", "-xzf", `stagecast-client-${version}.tgz`, "-C", installed, "--strip-components=1");
  symlinkSync(join(client, "node_modules/vite"), join(folder, "node_modules/vite"));

  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  writeFileSync(join(folder, "view.ts"), view);
  writeFileSync(join(folder, "view.css"), ".total { font-size: 2rem }");
  writeFileSync(join(folder, "sample.txt"), "one two three");
  const tsc = join(client, "node_modules/typescript/bin/tsc");
  const lib = "es2023,dom,dom.iterable,dom.asynciterable";
  const strict = ["--noEmit", "--strict", "--lib", lib, "--types", "vite/client"];
  run("node", tsc, ...strict, "--module", "esnext", "--moduleResolution", "bundler", "view.ts");
  run("node", tsc, ...strict, "--module", "nodenext", "view.ts");

  const command = join(installed, "bin/stagecast-page.js");
  run("node", command, "build", "--product", "view.ts", "--out", "page");
  run("node", command, "build", "--out", "general");
  expect("page/page.js", "Which words does this text use most?");
  expect("page/page.css", "font-size: 2rem");
  expect("page/sample.txt", "one two three");
  expect("general/index.html", "page.js");
  await expectPreview(command);
  console.log("the package builds and previews the page of a product and the general page");
} finally {
  rmSync(folder, { recursive: true });
}

function expect(file, text) {
  if (readFileSync(join(folder, file), "utf8").includes(text)) return;
  throw new Error(`${file} does not contain ${text}`);
}

/** Previews the page for a stack of which only `config.json` exists. */
async function expectPreview(command) {
  const stack = createServer((_, response) => response.end('{"of":"the stack"}'));
  await new Promise((listening) => stack.listen(0, "127.0.0.1", listening));
  const api = `http://127.0.0.1:${stack.address().port}`;
  const options = ["preview", "--product", "view.ts", "--api", api, "--port", "0"];
  const preview = spawn("node", [command, ...options], {
    cwd: folder,
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    let url = "";
    for await (const line of createInterface(preview.stdout)) {
      [, url = ""] = /^Page {2}(\S+)$/.exec(line) ?? [];
      if (url) break;
    }
    for (const [name, text] of [
      ["", "page.js"],
      ["config.json", "the stack"],
    ]) {
      const content = await (await fetch(url + name)).text();
      if (!content.includes(text)) throw new Error(`preview: ${url}${name} is ${content}`);
    }
  } finally {
    preview.kill();
    stack.closeAllConnections();
    stack.close();
  }
}
