import { ALL_ON, type Flags } from "../../config/flags.ts";
import type { ModeBoard, ModeSnapshot, WatchedService } from "./coordinator.ts";
import { decideMode, degradationsOf, type FailedServices, forcedDegradations, isRuledOut, switchedOffDegradations } from "./mode.ts";
import type { Modes, ModeView, Residency, Role, ServiceView } from "./modes.ts";

export interface PublishedModes extends Modes {
  readonly board: ModeBoard;
}

/**
 * The coordinator's board as pipelines read it: one view per residency, with and without a vector at hand, worked out once
 * for each published snapshot and each switching of a flag that takes something from answers.
 * @param hasCachedAnswers whether finished answers are kept, so that a store's outage leaves `stale` instead of `down`
 */
export function publishedModes(
  board: ModeBoard,
  services: ReadonlyMap<Role, WatchedService>,
  hasCachedAnswers: boolean,
  flags: Pick<Flags, "rewriting" | "rerank"> = ALL_ON,
): PublishedModes {
  let views: KnownViews | null = null;
  return {
    board,
    read(residency: Residency, hasVector: boolean): ModeView {
      const snapshot = board.current;
      const { rewriting, rerank } = flags;
      if (views?.epoch !== snapshot.epoch || views.rewriting !== rewriting || views.rerank !== rerank) {
        const both = (failed: FailedServices): Views => ({
          store: viewOf({ ...snapshot, failed }, services, "store", hasCachedAnswers, flags),
          resident: viewOf({ ...snapshot, failed }, services, "resident", hasCachedAnswers, flags),
        });
        const others = new Map([...snapshot.failed].filter(([role]) => role !== "embedding"));
        views = { epoch: snapshot.epoch, rewriting, rerank, asking: both(snapshot.failed), knowing: both(others) };
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

interface KnownViews extends Pick<Flags, "rewriting" | "rerank"> {
  readonly epoch: number;
  readonly asking: Views;
  readonly knowing: Views;
}

function viewOf(
  snapshot: ModeSnapshot,
  services: ReadonlyMap<Role, WatchedService>,
  residency: Residency,
  hasCachedAnswers: boolean,
  flags: Pick<Flags, "rewriting" | "rerank">,
): ModeView {
  const needs = { residency, hasCachedAnswers };
  const { failed, forcedMode } = snapshot;
  const isResident = residency === "resident";
  const missing = degradationsOf(failed, needs);
  const lacking = [...missing];
  for (const left of [...forcedDegradations(forcedMode, services), ...switchedOffDegradations(flags, services)])
    if (lacking.every(({ stage }) => stage !== left.stage)) lacking.push(left);
  return {
    mode: forcedMode ?? decideMode(failed, needs),
    canEmbed: !failed.has("embedding") && !isRuledOut("embedding", forcedMode),
    canSearchVectors: (isResident || !failed.has("vector_store")) && !isRuledOut("vector_store", forcedMode),
    canSearchText: (isResident || !failed.has("lexical_index")) && !isRuledOut("lexical_index", forcedMode),
    degradations: lacking,
  };
}
