/** Loads `config.json`, a file next to the page with the URLs of the service. */

import { backoff } from "../src/backoff.js";
import { BUILT_IN, type InputRules } from "./input-rules.js";

export interface Config {
  /** URL of the HTTP API. */
  http_api: string;
  /** URL of the WebSocket API with its stage. */
  websocket: string;
  /** The accepted inputs. Optional: the page was built with default rules. */
  input: InputRules;
}

/**
 * Loads the configuration with retries, so that the page recovers when the server is back or the
 * file is corrected.
 */
export async function findConfig(onError: (words: string) => void): Promise<Config> {
  for (let attempt = 0; ; attempt += 1) {
    const found = await readConfig();
    if (typeof found !== "string") return found;
    onError(found);
    await new Promise((over) => setTimeout(over, backoff(attempt)));
  }
}

/** Returns the configuration, or a message why it is unusable. */
async function readConfig(): Promise<Config | string> {
  const address = new URL("config.json", document.baseURI).href;
  try {
    const answer = await fetch(address, { cache: "no-cache" });
    if (!answer.ok) return `${address} returned status ${answer.status}`;
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
