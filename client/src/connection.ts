/** One WebSocket connection that is subscribed to one job. */

import type { ClientMessage, ServerMessage } from "../../generated/messages.js";
import type { Reviver } from "./http.js";

/** What is needed of a `WebSocket`: the browser's, Node 22's, or that of the package `ws`. */
export interface WebSocketLike {
  readonly readyState: number;
  send(data: string): void;
  close(code?: number): void;
  addEventListener(type: "open" | "close", listener: () => void): void;
  addEventListener(type: "error", listener: (event: { message?: string }) => void): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
}

export type WebSocketConstructor = new (url: string) => WebSocketLike;

/** A frame without a `type`: API Gateway's own answer when a function has failed or may not be asked. */
export interface GatewayAnswer {
  type?: undefined;
  message?: string;
  requestId?: string;
}

export type Frame = ServerMessage | GatewayAnswer;

/** A request, before the connection has numbered it. */
export type Request = ClientMessage extends infer Each
  ? Each extends ClientMessage
    ? Omit<Each, "request_id">
    : never
  : never;

export interface ConnectionOwner {
  /** Where to subscribe from. */
  resumeAt(): number;
  received(connection: Connection, frame: Frame): void;
  /** The connection is gone, and not because its owner has closed it. Told once. */
  lost(connection: Connection): void;
  /** Why the connection cannot be had, where that is told. */
  refused(words: string): void;
  /** Whether nothing may come for long although all is well. */
  isSilent(): boolean;
  /** All that goes over the wire, for those who want to watch it. */
  sawFrame(direction: "in" | "out", frame: object): void;
}

/** API Gateway closes a connection after ten idle minutes. */
const PING_WHEN_IDLE_MS = 5 * 60_000;
/** A job that runs says so more often than that: its connection may be dead. */
const PING_WHEN_MISSED_MS = 45_000;
/** Without an answer by then, the connection is dead although nobody has said so. */
const ANSWER_WITHIN_MS = 10_000;
const OPEN = 1;

let requests = 0;

export class Connection {
  #socket: WebSocketLike;
  #job: { job_id: string; access_key: string };
  #owner: ConnectionOwner;
  #reviver: Reviver | undefined;
  #closed = false;
  /** The request whose answer shows that the connection works. */
  #awaited: string | null = null;
  #answerTimer: ReturnType<typeof setTimeout> | undefined;
  #idleTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    socket: WebSocketLike,
    job: { job_id: string; access_key: string },
    owner: ConnectionOwner,
    reviver?: Reviver,
  ) {
    this.#socket = socket;
    this.#job = job;
    this.#owner = owner;
    this.#reviver = reviver;
    this.#expect("the connection");
    socket.addEventListener("open", () => this.subscribe());
    socket.addEventListener("message", ({ data }) => this.#receive(data));
    // Always followed by `close`. In browsers it says nothing; unheard, Node throws it.
    socket.addEventListener("error", ({ message }) => {
      if (message && !this.#closed) owner.refused(message);
    });
    socket.addEventListener("close", () => this.#lose());
  }

  /** Asks for the job's messages, also when some of them have failed to come. */
  subscribe(): void {
    const after = this.#owner.resumeAt();
    const resume = after > 0 ? { after_seq: after } : {};
    this.#expect(this.send({ type: "subscribe", ...this.#job, ...resume }));
  }

  /** Makes sure that the connection still works. */
  probe(): void {
    if (this.#awaited === null) this.#expect(this.send({ type: "ping" }));
  }

  /** Sends a request; returns its id, or null if the connection is not open. */
  send(request: Request): string | null {
    if (this.#closed || this.#socket.readyState !== OPEN) return null;
    requests += 1;
    const frame = { ...request, request_id: `client_${requests}` };
    this.#socket.send(JSON.stringify(frame));
    this.#owner.sawFrame("out", "access_key" in frame ? { ...frame, access_key: "…" } : frame);
    this.#stayAwake();
    return frame.request_id;
  }

  /** Closes the connection; its owner hears no more of it. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#answerTimer);
    clearTimeout(this.#idleTimer);
    this.#socket.close(1000);
  }

  #receive(data: unknown): void {
    if (this.#closed) return;
    const frame = parse(data, this.#reviver);
    this.#owner.sawFrame("in", frame);
    const answered = "request_id" in frame ? frame.request_id : undefined;
    if (answered !== undefined && answered === this.#awaited) {
      clearTimeout(this.#answerTimer);
      this.#awaited = null;
    }
    this.#owner.received(this, frame);
    this.#stayAwake();
    // It does not say what it answers: if anything is waited for, it may be that.
    if (frame.type === undefined && this.#awaited !== null) this.#lose();
  }

  #lose(): void {
    if (this.#closed) return;
    this.close();
    this.#owner.lost(this);
  }

  #expect(answer: string | null): void {
    if (answer === null || this.#closed) return;
    this.#awaited = answer;
    clearTimeout(this.#answerTimer);
    this.#answerTimer = setTimeout(() => this.#lose(), ANSWER_WITHIN_MS);
  }

  #stayAwake(): void {
    clearTimeout(this.#idleTimer);
    // Whoever was told a frame may have closed the connection.
    if (this.#closed) return;
    const patience = this.#owner.isSilent() ? PING_WHEN_IDLE_MS : PING_WHEN_MISSED_MS;
    this.#idleTimer = setTimeout(() => this.probe(), patience);
  }
}

function parse(data: unknown, reviver?: Reviver): Frame {
  try {
    const frame: unknown = JSON.parse(String(data), reviver);
    if (typeof frame === "object" && frame !== null) return frame as Frame;
  } catch {
    // Told below, together with what is JSON but no message.
  }
  return { message: `an answer that is no message: ${String(data).slice(0, 200)}` };
}
