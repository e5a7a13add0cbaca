import type { ModeBoard, ModeSnapshot, WatchedService } from "./coordinator.ts";
import { decideMode, degradationsOf, type FailedServices, forcedDegradations, isRuledOut } from "./mode.ts";
import type { Modes, ModeView, Residency, Role, ServiceView } from "./modes.ts";

export interface PublishedModes extends Modes {
  readonly board: ModeBoard;
}

/**
 * The coordinator's board as pipelines read it: one view per residency, with and without a vector at hand, worked out once
 * for each published snapshot.
 * @param hasCachedAnswers whether finished answers are kept, so that a store's outage leaves `stale` instead of `down`
 */
export function publishedModes(board: ModeBoard, services: ReadonlyMap<Role, WatchedService>, hasCachedAnswers: boolean): PublishedModes {
  let views: { readonly epoch: number; readonly asking: Views; readonly knowing: Views } | null = null;
  return {
    board,
    read(residency: Residency, hasVector: boolean): ModeView {
      const snapshot = board.current;
      if (views?.epoch !== snapshot.epoch) {
        const both = (failed: FailedServices): Views => ({
          store: viewOf({ ...snapshot, failed }, services, "store", hasCachedAnswers),
          resident: viewOf({ ...snapshot, failed }, services, "resident", hasCachedAnswers),
        });
        const others = new Map([...snapshot.failed].filter(([role]) => role !== "embedding"));
        views = { epoch: snapshot.epoch, asking: both(snapshot.failed), knowing: both(others) };
      }
      return (hasVector ? views.knowing : views.asking)[residency];
    },
    serviceOf(role: Role): ServiceView {
      const service = services.get(role);
      return { service: service?.name ?? role, breaker: service?.breaker ?? "closed" };
    },
  };
}

type Views = Readonly<Record<Residency, ModeView>>;

function viewOf(
  snapshot: ModeSnapshot,
  services: ReadonlyMap<Role, WatchedService>,
  residency: Residency,
  hasCachedAnswers: boolean,
): ModeView {
  const needs = { residency, hasCachedAnswers };
  const { failed, forcedMode } = snapshot;
  const isResident = residency === "resident";
  const missing = degradationsOf(failed, needs);
  const forced = forcedDegradations(forcedMode, services).filter(({ stage }) => missing.every((other) => other.stage !== stage));
  return {
    mode: forcedMode ?? decideMode(failed, needs),
    canEmbed: !failed.has("embedding") && !isRuledOut("embedding", forcedMode),
    canSearchVectors: (isResident || !failed.has("vector_store")) && !isRuledOut("vector_store", forcedMode),
    canSearchText: (isResident || !failed.has("lexical_index")) && !isRuledOut("lexical_index", forcedMode),
    degradations: [...missing, ...forced],
  };
}
