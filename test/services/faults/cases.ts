import { answerStatus, answerText, answerTruncated, answerVectors, type Behaviour, hang, hangInBody } from "../../support/openai_server.ts";
import { DIMENSIONS, type Servers } from "./servers.ts";

export type ServiceName = "milvus" | "mongodb" | "redis" | "provider";

/** What is done to a service, and undone. */
export interface FaultCase {
  readonly service: ServiceName;
  /** As the table calls it; once a service. */
  readonly fault: string;
  /** `start`: the node starts with it. `call`: it begins while calls are under way. @default it begins between calls */
  readonly begins?: "start" | "call";
  /** How long it lasts, in ms. @default until the breaker has opened, or has not after many calls, and it was seen what is left */
  readonly lastsMs?: number;
  begin(servers: Servers): Promise<unknown> | unknown;
  end(servers: Servers): Promise<unknown> | unknown;
}

/** Added to each part of a conversation, in each direction: more than a probe may take. */
const SLOW_MS = 1_800;
/** At least; a request that waits for the service holds the end up. */
const SHORT_OUTAGE_MS = 1_000;
/** The provider's wish; longer than the pause that a call makes for it. */
const RETRY_AFTER_S = "3";

/** @param longOutageMs of the outage that is to be a long one */
export function faultCases(longOutageMs: number): readonly FaultCase[] {
  return [
    ...killed("milvus"),
    ...networkFaults("milvus", longOutageMs),
    { ...answering("milvus"), begin: ({ milvus, failingMilvus }) => milvus.proxy.lead(failingMilvus.port) },
    ...killed("mongodb"),
    ...networkFaults("mongodb", longOutageMs),
    { ...answering("mongodb"), begin: ({ mongodb, failingMongodb }) => mongodb.proxy.lead(failingMongodb.port) },
    ...killed("redis"),
    ...networkFaults("redis", longOutageMs),
    {
      service: "redis",
      fault: "answers errors",
      begin: ({ redis }) => redis.server.command("ACL", "SETUSER", "default", "-mget", "-multi"),
      end: ({ redis }) => redis.server.command("ACL", "SETUSER", "default", "+@all"),
    },
    {
      service: "redis",
      fault: "full, evicting nothing",
      begin: ({ redis }) => redis.server.command("CONFIG", "SET", "maxmemory", "1mb", "maxmemory-policy", "noeviction"),
      end: ({ redis }) => redis.server.command("CONFIG", "SET", "maxmemory", "0"),
    },
    ...unreachableProvider(),
    ...networkFaults("provider", longOutageMs),
    misbehaving("answers 500", answerStatus(500)),
    misbehaving("answers 429 with retry-after", answerStatus(429, { "retry-after": RETRY_AFTER_S })),
    misbehaving("takes requests and says nothing", hang),
    misbehaving("begins an answer and hangs", hangInBody),
    misbehaving("breaks off its answer", answerTruncated),
    misbehaving("answers malformed JSON", answerText('{"object":"list","data":[')),
    misbehaving("answers vectors of another length", answerVectors(DIMENSIONS + 1)),
  ];
}

/** By its process. The proxy refuses meanwhile, as the machine of a dead server does. */
function killed(service: "milvus" | "mongodb" | "redis"): readonly FaultCase[] {
  const kill = async (servers: Servers) => {
    servers[service].server.kill("SIGKILL");
    await servers[service].proxy.set({ kind: "refuse" });
  };
  const restart = async (servers: Servers) => {
    await servers[service].server.restart();
    await servers[service].proxy.set({ kind: "pass" });
  };
  return [
    { service, fault: "down at the start", begins: "start", begin: kill, end: restart },
    { service, fault: "killed in mid-call", begins: "call", begin: kill, end: restart },
    {
      service,
      fault: "paused (SIGSTOP)",
      begin: (servers) => servers[service].server.kill("SIGSTOP"),
      end: service === "milvus" ? restartPaused : (servers) => servers[service].server.kill("SIGCONT"),
    },
  ];
}

/** Beyond its session's time a Milvus that goes on has lost its own parts, answers for a while, and does not heal. */
async function restartPaused({ milvus }: Servers): Promise<void> {
  milvus.server.kill("SIGKILL");
  await milvus.server.restart();
}

function networkFaults(service: ServiceName, longOutageMs: number): readonly FaultCase[] {
  const end = (servers: Servers) => servers[service].proxy.set({ kind: "pass" });
  const refuse = (servers: Servers) => servers[service].proxy.set({ kind: "refuse" });
  return [
    {
      service,
      fault: "hangs: takes connections, passes nothing on",
      begin: ({ [service]: { proxy } }) => proxy.set({ kind: "hang" }),
      end,
    },
    { service, fault: "slow", begin: ({ [service]: { proxy } }) => proxy.set({ kind: "delay", ms: SLOW_MS }), end },
    { service, fault: "resets every connection", begin: ({ [service]: { proxy } }) => proxy.set({ kind: "reset" }), end },
    { service, fault: "cuts every answer short", begin: ({ [service]: { proxy } }) => proxy.set({ kind: "cut", afterBytes: 9 }), end },
    { service, fault: "refuses, back after 1 to 2 s", lastsMs: SHORT_OUTAGE_MS, begin: refuse, end },
    { service, fault: "refuses, back after a long while", lastsMs: longOutageMs, begin: refuse, end },
  ];
}

function answering(service: "milvus" | "mongodb"): Omit<FaultCase, "begin"> {
  return { service, fault: "answers errors", end: (servers) => servers[service].proxy.lead(null) };
}

/** Its server is in this process, so that the proxy stands in for its death. */
function unreachableProvider(): readonly FaultCase[] {
  const begin = ({ provider }: Servers) => provider.proxy.set({ kind: "refuse" });
  const end = ({ provider }: Servers) => provider.proxy.set({ kind: "pass" });
  return [
    { service: "provider", fault: "down at the start", begins: "start", begin, end },
    { service: "provider", fault: "gone in mid-call", begins: "call", begin, end },
  ];
}

function misbehaving(fault: string, behaviour: Behaviour): FaultCase {
  return {
    service: "provider",
    fault,
    begin: ({ provider }) => provider.server.behave(behaviour),
    end: ({ provider }) => provider.server.behave(null),
  };
}
