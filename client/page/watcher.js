/**
 * Watches one job over the WebSocket API: subscribes, resumes after a lost connection, hands over
 * each message once.
 *
 * Events:
 * - `connection`, detail `{ state: "connecting" | "live" | "waiting" | "closed", retryInMs? }`
 * - `message`, detail a server message
 * - `frame`, detail `{ direction: "in" | "out", frame }`, all that goes over the wire
 */

/** Sent before API Gateway closes an idle connection after ten minutes. */
const PING_EVERY_MS = 5 * 60 * 1000;
/** Without an answer by then, the connection is dead although nobody has said so. */
const ANSWER_WITHIN_MS = 10 * 1000;
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 30 * 1000;
/** What a message has missed may still be on its way; only then it is asked for. */
const GAP_PATIENCE_MS = 1500;

const DURABLE = new Set(["stage_complete", "job_complete", "job_failed", "job_cancelled"]);
const LAST = new Set(["job_complete", "job_failed", "job_cancelled"]);

export class JobWatcher extends EventTarget {
  #url;
  #jobId;
  #accessKey;
  #socket = null;
  #attempt = 0;
  #requests = 0;
  #closed = false;
  /** All durable messages up to this `seq` have been handed over. */
  #seq = 0;
  /** Those beyond it that came early. */
  #early = new Set();
  /** A snapshot that stands for messages which are still to come before it. */
  #snapshot = null;
  /** The type of the answer that is waited for, if one is. */
  #awaited = null;
  #timers = { retry: 0, answer: 0, ping: 0, gap: 0 };
  #onOnline = () => this.#retryNow();
  #onVisible = () => document.visibilityState === "visible" && this.#probe();

  constructor({ url, jobId, accessKey }) {
    super();
    this.#url = url;
    this.#jobId = jobId;
    this.#accessKey = accessKey;
  }

  start() {
    window.addEventListener("online", this.#onOnline);
    document.addEventListener("visibilitychange", this.#onVisible);
    this.#connect();
  }

  /** Attempts to connect since the last time it worked. */
  get attempts() {
    return this.#attempt;
  }

  /** Asks the job to stop. False if there is no connection to ask over. */
  cancel() {
    return this.#send({ type: "cancel_job", job_id: this.#jobId, access_key: this.#accessKey });
  }

  /** Ends the watching for good. */
  close() {
    this.#closed = true;
    window.removeEventListener("online", this.#onOnline);
    document.removeEventListener("visibilitychange", this.#onVisible);
    this.#clearTimers();
    this.#socket?.close(1000);
    this.#socket = null;
    this.#tell("connection", { state: "closed" });
  }

  #connect() {
    this.#clearTimers();
    this.#tell("connection", { state: "connecting" });
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    this.#expect("subscribed");
    socket.addEventListener("open", () => this.#subscribe());
    socket.addEventListener("message", (event) => {
      if (socket === this.#socket) this.#receive(event.data);
    });
    // An `error` event says nothing and is always followed by `close`.
    socket.addEventListener("close", () => {
      if (socket === this.#socket) this.#lost();
    });
  }

  #subscribe() {
    const resume = this.#seq > 0 ? { after_seq: this.#seq } : {};
    this.#send({
      type: "subscribe",
      job_id: this.#jobId,
      access_key: this.#accessKey,
      ...resume,
    });
    this.#expect("subscribed");
  }

  #receive(data) {
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      message = null;
    }
    if (typeof message !== "object" || message === null) {
      message = { message: `an answer that is not JSON: ${String(data).slice(0, 200)}` };
    }
    this.#tell("frame", { direction: "in", frame: message });
    if (message.type === this.#awaited) {
      clearTimeout(this.#timers.answer);
      this.#awaited = null;
    }
    if (message.job_id !== undefined && message.job_id !== this.#jobId) return;
    if (message.type === "subscribed") {
      this.#subscribed(message);
      return;
    }
    if (DURABLE.has(message.type) && !this.#isNew(message.seq)) return;
    if (message.seq > this.#seq) this.#lookForGap(message.seq);
    this.#tell("message", message);
    this.#showSnapshot();
    if (LAST.has(message.type) && this.#early.size === 0) this.close();
  }

  #subscribed(message) {
    this.#attempt = 0;
    this.#schedulePing();
    this.#tell("connection", { state: "live" });
    if (!message.recovered) {
      // The log no longer holds what is missing; the snapshot stands for it.
      this.#seq = Math.max(this.#seq, message.seq);
      this.#early.clear();
    }
    this.#snapshot = message;
    this.#showSnapshot();
    if (this.#snapshot) this.#lookForGap(message.seq);
  }

  #showSnapshot() {
    if (!this.#snapshot || this.#snapshot.seq > this.#seq) return;
    const message = this.#snapshot;
    this.#snapshot = null;
    this.#tell("message", message);
  }

  /** Notes a durable message; false if it has been handed over before. */
  #isNew(seq) {
    if (!Number.isInteger(seq)) return true;
    if (seq <= this.#seq || this.#early.has(seq)) return false;
    this.#early.add(seq);
    while (this.#early.delete(this.#seq + 1)) this.#seq += 1;
    return true;
  }

  /** Asks again for what came before `seq`, unless it arrives by itself. */
  #lookForGap(seq) {
    clearTimeout(this.#timers.gap);
    this.#timers.gap = setTimeout(() => {
      if (this.#seq < seq && this.#isOpen()) this.#subscribe();
    }, GAP_PATIENCE_MS);
  }

  #lost() {
    this.#socket = null;
    this.#snapshot = null;
    this.#clearTimers();
    if (this.#closed) return;
    // Full jitter: watchers that lost their connections together do not come back together.
    const ceiling = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#attempt);
    const retryInMs = Math.round(Math.random() * ceiling);
    this.#attempt += 1;
    this.#tell("connection", { state: "waiting", retryInMs });
    this.#timers.retry = setTimeout(() => this.#connect(), retryInMs);
  }

  #retryNow() {
    if (!this.#closed && !this.#socket) this.#connect();
  }

  /** A phone that slept may hold a connection that is gone. */
  #probe() {
    if (this.#isOpen()) {
      this.#ping();
    } else {
      this.#retryNow();
    }
  }

  #schedulePing() {
    clearInterval(this.#timers.ping);
    this.#timers.ping = setInterval(() => this.#ping(), PING_EVERY_MS);
  }

  #ping() {
    if (!this.#awaited && this.#send({ type: "ping" })) this.#expect("pong");
  }

  /** An answer that fails to come, or an error in its place, ends the connection: a new one is
   * tried, later each time. */
  #expect(type) {
    this.#awaited = type;
    clearTimeout(this.#timers.answer);
    this.#timers.answer = setTimeout(() => {
      const socket = this.#socket;
      if (!socket) return;
      this.#lost();
      socket.close();
    }, ANSWER_WITHIN_MS);
  }

  #isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  #send(message) {
    if (!this.#isOpen()) return false;
    this.#requests += 1;
    const frame = { ...message, request_id: `page_${this.#requests}` };
    this.#socket.send(JSON.stringify(frame));
    this.#tell("frame", { direction: "out", frame });
    return true;
  }

  #clearTimers() {
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
