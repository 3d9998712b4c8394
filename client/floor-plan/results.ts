/** The results of the reference pipeline's stages. */

import type { WatchedJob, WatchedStage } from "@stagecast/client";
import { count } from "@stagecast/client/page";

export interface Size {
  width: number;
  height: number;
}

export interface Room {
  id: number;
  /** In pixels. */
  area: number;
  bounding_box: Size & { x: number; y: number };
}

interface Walls {
  image: Size;
  segments: number;
  thickness?: { typical?: number };
}

/** The rooms in results; null if the results are of another pipeline. */
export function roomsIn(results: unknown): Room[] | null {
  const { rooms } = (results ?? {}) as { rooms?: unknown };
  return Array.isArray(rooms) && rooms.every(isRoom) ? rooms : null;
}

function isRoom(thing: unknown): thing is Room {
  const { id, area, bounding_box: box } = (thing ?? {}) as Partial<Room>;
  return areNumbers(id, area, box?.x, box?.y, box?.width, box?.height);
}

function areNumbers(...values: unknown[]): boolean {
  return values.every(Number.isFinite);
}

function wallsIn(results: unknown): Walls | null {
  const walls = (results ?? {}) as Partial<Walls>;
  const { segments, image } = walls;
  return areNumbers(segments, image?.width, image?.height) ? (walls as Walls) : null;
}

/** The rooms that a job has found so far. The stage reports them before the end of the job. */
export function roomsOf(job: WatchedJob): Room[] | null {
  return roomsIn(job.results) ?? firstResult(job, ({ results }) => roomsIn(results));
}

/** The size of the image in which the rooms were found. */
export function imageOf(job: WatchedJob): Size | null {
  return firstResult(job, ({ results }) => wallsIn(results)?.image ?? null);
}

/** A short summary of a stage's results. */
export function summarize(results: unknown): string {
  const rooms = roomsIn(results);
  if (rooms) return count(rooms.length, "room");
  const walls = wallsIn(results);
  if (!walls) return "";
  const thickness = walls.thickness?.typical;
  return count(walls.segments, "wall") + (thickness ? `, ${thickness} px thick` : "");
}

export function area(pixels: number): string {
  return `${new Intl.NumberFormat("en").format(pixels)} px²`;
}

function firstResult<Found>(job: WatchedJob, select: (stage: WatchedStage) => Found | null) {
  for (const stage of job.stages) {
    const result = select(stage);
    if (result !== null) return result;
  }
  return null;
}
