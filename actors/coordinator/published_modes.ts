import type { Mode } from "../retriever/search.ts";
import type { ModeBoard, ModeSnapshot, WatchedService } from "./coordinator.ts";
import { decideMode, degradationsOf } from "./mode.ts";
import type { Modes, ModeView, Residency, Role, ServiceView } from "./modes.ts";

export interface PublishedModes extends Modes {
  readonly board: ModeBoard;
}

/**
 * The coordinator's board as pipelines read it: one view per residency, worked out once for each published snapshot.
 * @param hasCachedAnswers whether finished answers are kept, so that a store's outage leaves `stale` instead of `down`
 */
export function publishedModes(board: ModeBoard, services: ReadonlyMap<Role, WatchedService>, hasCachedAnswers: boolean): PublishedModes {
  let views: { readonly epoch: number; readonly store: ModeView; readonly resident: ModeView } | null = null;
  return {
    board,
    read(residency: Residency): ModeView {
      const snapshot = board.current;
      if (views?.epoch !== snapshot.epoch) {
        const view = (kind: Residency) => viewOf(snapshot, kind, hasCachedAnswers);
        views = { epoch: snapshot.epoch, store: view("store"), resident: view("resident") };
      }
      return views[residency];
    },
    serviceOf(role: Role): ServiceView {
      const service = services.get(role);
      return { service: service?.name ?? role, breaker: service?.breaker ?? "closed" };
    },
  };
}

/** Stages that a forced mode leaves out although their services are up. */
const WITHOUT_VECTORS: readonly Mode[] = ["lexical", "stale", "down"];
const WITHOUT_TEXT: readonly Mode[] = ["basic", "stale", "down"];

function viewOf(snapshot: ModeSnapshot, residency: Residency, hasCachedAnswers: boolean): ModeView {
  const needs = { residency, hasCachedAnswers };
  const { failed, forcedMode } = snapshot;
  const isResident = residency === "resident";
  const forbids = (modes: readonly Mode[]): boolean => forcedMode !== null && modes.includes(forcedMode);
  return {
    mode: forcedMode ?? decideMode(failed, needs),
    canEmbed: !failed.has("embedding") && !forbids(WITHOUT_VECTORS),
    canSearchVectors: (isResident || !failed.has("vector_store")) && !forbids(WITHOUT_VECTORS),
    canSearchText: (isResident || !failed.has("lexical_index")) && !forbids(WITHOUT_TEXT),
    degradations: degradationsOf(failed, needs),
  };
}
