/** Where the service is: `config.json` lies beside the page. */

export interface Config {
  /** The HTTP API. */
  http_api: string;
  /** The WebSocket API, its stage included. */
  websocket: string;
}

export async function readConfig(): Promise<Config> {
  const answer = await fetch("config.json");
  const config: Partial<Config> = await answer.json();
  if (!config.http_api || !config.websocket) throw new Error("an address is missing");
  return { http_api: config.http_api, websocket: config.websocket };
}
