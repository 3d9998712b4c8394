/** A fake service in memory with the jobs of one owner: their feed, their list and their logs. */

import type { ClientMessage, JobSnapshot } from "../../../generated/messages.js";
import type { DurableMessage, JobMessage, ProgressMessage } from "../../src/index.js";
import { FakeService, type FakeSocket } from "./fake-service.js";
import { jobComplete, progress, snapshot, stageComplete, time } from "./messages.js";

export const OWNER = "user-7";

interface FakeJob {
  status: JobSnapshot;
  log: DurableMessage[];
}

/** A token that expires after this number of seconds of the test's clock. */
export function token(seconds: number): string {
  const claims = { sub: OWNER, exp: Math.floor(Date.now() / 1000) + seconds };
  return `e30.${btoa(JSON.stringify(claims))}.${Math.random()}`;
}

export class FakeOwner extends FakeService {
  /** The jobs in the order of their creation. */
  readonly jobs: FakeJob[] = [];
  /** The requests in order: `list`, `list {cursor}`, or `{job_id} after {seq}`. */
  readonly asked: string[] = [];
  /** The tokens of all requests. */
  readonly tokens: (string | null)[] = [];
  pageSize = 25;
  isReachable = true;
  /** The code that refuses tokens, if they are refused. */
  refusal: string | null = null;
  /** The end of a token that the service announces. */
  tokenExpiresAt: string | undefined;
  /** Called before a list is read, with the number of the request. */
  beforeList: (() => void) | null = null;

  /** Creates a job, `created` seconds after a fixed time. */
  create(created = this.jobs.length, lostOnTheWay = false): string {
    const job_id = `job_${this.jobs.length}`;
    const more = {
      status: "queued",
      stage: null,
      created_at: time(created),
      owner: OWNER,
    } as const;
    const status = snapshot(0, { job_id, message: "Waiting", ...more });
    this.jobs.push({ status, log: [] });
    this.send({ type: "job_created", job_id, status, timestamp: time(created) }, lostOnTheWay);
    return job_id;
  }

  /** Commits a durable message of a job, its end if `isEnd`, and sends it. */
  commit(jobId: string, isEnd = false, lostOnTheWay = false): DurableMessage {
    const job = this.job(jobId);
    const seq = job.status.seq + 1;
    const message = { ...(isEnd ? jobComplete(seq) : stageComplete(seq)), job_id: jobId };
    job.log.push(message);
    const status = isEnd ? "completed" : "running";
    const overall = isEnd && { overall_progress: 100 };
    job.status = { ...job.status, seq, status, stage: "stage_1", progress: 100, ...overall };
    this.send(message, lostOnTheWay);
    return message;
  }

  /** Reports progress of a job. */
  report(jobId: string, percent: number): void {
    const job = this.job(jobId);
    const message: ProgressMessage = { ...progress(job.status.seq, percent), job_id: jobId };
    const { type: _, timestamp: updated_at, ...now } = message;
    job.status = { ...job.status, ...now, status: "running", updated_at };
    this.send(message, false);
  }

  send(message: JobMessage | object, isLost: boolean): void {
    if (isLost) return;
    for (const socket of this.open) if (socket.isSubscribed) socket.deliver(message);
  }

  job(jobId: string): FakeJob {
    const job = this.jobs.find(({ status }) => status.job_id === jobId);
    if (!job) throw new Error(`there is no ${jobId}`);
    return job;
  }

  override receive(socket: FakeSocket, sent: ClientMessage & { request_id: string }): void {
    const reply = { request_id: sent.request_id, timestamp: time(0) };
    const request = sent as { type: string; owner?: string; token?: string };
    if (request.type === "authenticate") {
      this.tokens.push(request.token ?? null);
      this.tokenExpiresAt = new Date(Date.now() + 300_000).toISOString();
      const [token_expires_at, owner] = [this.tokenExpiresAt, OWNER];
      socket.deliver({ type: "authenticated", owner, token_expires_at, ...reply });
    } else if (request.type === "subscribe" && request.owner !== undefined) {
      this.tokens.push(request.token ?? null);
      if (this.refusal) {
        socket.deliver({ type: "error", code: this.refusal, message: "no", ...reply });
        return;
      }
      socket.isSubscribed = true;
      const announced = this.tokenExpiresAt && { token_expires_at: this.tokenExpiresAt };
      const subscribed = { owner: request.owner, correlation_id: "conn_test", ...announced };
      socket.deliver({ type: "owner_subscribed", ...subscribed, ...reply });
    } else {
      super.receive(socket, sent);
    }
  }

  readonly fetch = async (
    url: string | URL | Request,
    request?: RequestInit,
  ): Promise<Response> => {
    const { pathname, searchParams } = new URL(String(url));
    const bearer = new Headers(request?.headers).get("authorization")?.slice("Bearer ".length);
    this.tokens.push(bearer ?? null);
    if (!this.isReachable) throw new TypeError("fetch failed");
    if (this.refusal) {
      const error = { code: this.refusal, message: "no" };
      return Response.json({ error }, { status: this.refusal === "invalid_token" ? 401 : 403 });
    }
    if (pathname === "/v1/jobs") {
      const cursor = searchParams.get("cursor");
      this.asked.push(cursor ? `list ${cursor}` : "list");
      this.beforeList?.();
      const newest = this.jobs.map(({ status }) => status).reverse();
      const from = Number(cursor ?? 0);
      const jobs = newest.slice(from, from + this.pageSize).map(listed);
      const next = from + this.pageSize;
      const next_cursor = next < newest.length ? String(next) : null;
      return Response.json({ jobs, next_cursor });
    }
    const jobId = pathname.split("/")[3] ?? "";
    const after = Number(searchParams.get("after_seq"));
    this.asked.push(`${jobId} after ${after}`);
    const job = this.jobs.find(({ status }) => status.job_id === jobId);
    if (!job) {
      return Response.json({ error: { code: "forbidden", message: "no" } }, { status: 403 });
    }
    const events = job.log.filter(({ seq }) => seq > after);
    const { status } = job;
    return Response.json({
      job_id: jobId,
      recovered: true,
      events,
      next_after_seq: status.seq,
      more: false,
      retry_after: null,
      snapshot: status,
    });
  };
}

/** The state in a list: without results. */
function listed({ results: _, ...status }: JobSnapshot): JobSnapshot {
  return status;
}
