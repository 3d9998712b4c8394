/** Where the service is: `config.json` lies beside the page. */

import { backoff } from "../src/backoff.js";
import { BUILT_IN, type InputRules } from "./input.js";

export interface Config {
  /** The HTTP API. */
  http_api: string;
  /** The WebSocket API, its stage included. */
  websocket: string;
  /** What jobs are made from. Optional in the file: the page was built with rules, too. */
  input: InputRules;
}

/** Asks until it is told: a server that is away comes back, and a wrong file is put right. */
export async function findConfig(onTrouble: (words: string) => void): Promise<Config> {
  for (let attempt = 0; ; attempt += 1) {
    const found = await readConfig();
    if (typeof found !== "string") return found;
    onTrouble(found);
    await new Promise((over) => setTimeout(over, backoff(attempt)));
  }
}

/** Where the service is, or why that is not known. */
async function readConfig(): Promise<Config | string> {
  const address = new URL("config.json", document.baseURI).href;
  try {
    const answer = await fetch(address, { cache: "no-cache" });
    if (!answer.ok) return `${address} was answered with ${answer.status}`;
    const found: Partial<Config> = (await answer.json()) ?? {};
    const { http_api, websocket, input = BUILT_IN } = found;
    if (http_api && websocket) return { http_api, websocket, input };
    return `${address} lacks http_api or websocket`;
  } catch (error) {
    return error instanceof SyntaxError
      ? `${address} is not JSON: ${error.message}`
      : `${address} cannot be reached`;
  }
}
