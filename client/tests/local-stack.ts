/**
 * Starts the local stack as a process: the executable that `STAGECAST_LOCAL` names, or the build of
 * `cargo dev`.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export interface Urls {
  http_api: string;
  websocket: string;
}

export interface LocalStackOptions {
  /** Minimum duration of a stage, in milliseconds. */
  pace: number;
  port?: number;
  dataDir?: string;
}

const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));

export class LocalStack {
  readonly urls: Urls;
  #process: ChildProcess;

  private constructor(process: ChildProcess, urls: Urls) {
    this.#process = process;
    this.urls = urls;
  }

  static async start({ pace, port = 0, dataDir }: LocalStackOptions): Promise<LocalStack> {
    const options = [
      "--json",
      "--log-level",
      "warn",
      "--port",
      String(port),
      "--setting",
      `STAGE_PACE_MS=${pace}`,
    ];
    if (dataDir) options.push("--data-dir", dataDir);
    const executable = process.env.STAGECAST_LOCAL;
    const [command, before] = executable ? [executable, []] : ["cargo", ["dev"]];
    const started = spawn(command, [...before, ...options], {
      cwd: REPOSITORY,
      stdio: ["ignore", "pipe", "pipe"],
    });
    // The output of the build is shown, the logs of the functions are not.
    started.stderr.pipe(process.stderr, { end: false });
    const ended = once(started, "exit").then(([code]) => {
      throw new Error(`${command} ended with ${code} before it was ready`);
    });
    const ready = once(createInterface(started.stdout), "line");
    const [line] = await Promise.race([ready, ended]);
    ended.catch(() => {});
    started.stderr.unpipe().resume();
    return new LocalStack(started, JSON.parse(line));
  }

  get port(): number {
    return Number(new URL(this.urls.http_api).port);
  }

  /** Stops the stack as Ctrl-C does. */
  async stop(): Promise<void> {
    await this.#end("SIGTERM");
  }

  /** Kills the stack. Its functions keep running until they detect that it is gone. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  async #end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exit = once(this.#process, "exit");
    this.#process.kill(signal);
    await exit;
  }
}
