import { readFileSync } from "node:fs";
import { fromSeed, type KeyPair } from "@nats-io/jwt";
import { AuthCallout } from "../bridge/nats/auth_callout.ts";
import type { NatsBridge } from "../bridge/nats/nats_bridge.ts";
import type { NodeAccess } from "./access.ts";
import type { NatsParts } from "./nats.ts";

/** Null: the servers do not ask this node who may connect. Throws where the seed is none. */
export function openCallout(
  { config, clock, logger, metrics }: NatsParts,
  { link }: NatsBridge,
  { keys, audit }: Pick<NodeAccess, "keys" | "audit">,
): AuthCallout | null {
  const { calloutSeedFile, calloutXkeySeed, calloutAccount, calloutSessionMs } = config.nats;
  if (calloutSeedFile === "" || keys === null) return null;
  return new AuthCallout({
    link,
    keys,
    issuer: issuerOf(calloutSeedFile),
    xkey: calloutXkeySeed === "" ? null : xkeyOf(calloutXkeySeed),
    account: calloutAccount,
    sessionMs: calloutSessionMs,
    clock,
    logger,
    audit,
    count: metrics.nats.count,
    refused: () => metrics.access.refused("key"),
  });
}

function issuerOf(path: string): KeyPair {
  let issuer: KeyPair | null = null;
  try {
    issuer = fromSeed(new TextEncoder().encode(readFileSync(path, "utf8").trim()));
  } catch {
    // What it says may quote the seed.
  }
  if (issuer?.getPublicKey().startsWith("A") !== true)
    throw new Error("The file that nats.calloutSeedFile names cannot be read, or holds no account's seed (SA…)");
  return issuer;
}

function xkeyOf(seed: string): KeyPair {
  try {
    const pair = fromSeed(new TextEncoder().encode(seed));
    if (pair.getPublicKey().startsWith("X")) return pair;
  } catch {
    // What it says may quote the seed.
  }
  throw new Error("nats.calloutXkeySeed is no seed of a curve key (SX…): its checksum is wrong");
}
