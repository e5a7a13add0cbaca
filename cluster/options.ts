import type { DrainLimits } from "./drain/drain.ts";
import { LEASE_LIMITS, type LeaseLimits } from "./lease/lease.ts";
import { GROUP_OPTIONS, type GroupOptions } from "./membership/groups.ts";
import { MEMBERSHIP_LIMITS, type MembershipLimits } from "./membership/member.ts";
import { SUCCESSION_OPTIONS, type SuccessionOptions } from "./placement/succession.ts";
import { ROUTE_OPTIONS } from "./router/route.ts";
import type { RouterOptions } from "./router/router.ts";

export interface ClusterOptions {
  readonly membership: MembershipLimits;
  readonly groups: GroupOptions;
  readonly router: RouterOptions;
  readonly succession: SuccessionOptions;
  readonly lease: LeaseLimits;
  readonly drain: DrainLimits;
  /** How often silence is judged and what falls due is done. */
  readonly sweepMs: number;
  /** Every so many heartbeats all names that are ready are told, also where nothing has changed. */
  readonly fullEvery: number;
  /** Nodes that would lead; the others follow their heartbeats. */
  readonly maxDeputies: number;
}

export const CLUSTER_OPTIONS: ClusterOptions = {
  membership: MEMBERSHIP_LIMITS,
  groups: GROUP_OPTIONS,
  router: {
    ...ROUTE_OPTIONS,
    maxOpen: 10_000,
    hedgeShare: 0.05,
    hedgeBurst: 10,
    minHedgeMs: 10,
    resendShare: 0.2,
    resendBurst: 50,
  },
  succession: SUCCESSION_OPTIONS,
  lease: LEASE_LIMITS,
  drain: { graceMs: 1_500, limitMs: 20_000 },
  sweepMs: 100,
  fullEvery: 10,
  maxDeputies: 5,
};
