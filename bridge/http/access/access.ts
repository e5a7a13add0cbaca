/**
 * The one place where a request is let through to its route, over HTTP and over NATS.
 *
 * A route that a key may use is not the route itself but its twin, made of parts that know the key's collections only
 * (`guarded_parts.ts`); twins are made once for each grant, which keys that only read may share, and kept for those used last.
 */
import { LRUCache } from "lru-cache";
import { kennelError } from "../../../runtime/errors.ts";
import type { HttpRequest } from "../../../runtime/http_message.ts";
import { allowsScope, type Caller, type Grant, namesEveryCollection } from "../../keys/grant.ts";
import type { KeyLimiter, KeyUse } from "../../keys/key_limits.ts";
import type { KeyVerifier } from "../../keys/key_ring.ts";
import type { Route } from "../route.ts";
import { askedPrincipals, delegated, narrowed } from "./asked_principals.ts";
import { type Need, needOf } from "./route_needs.ts";

/** Grants whose routes are kept; some 60 small objects each. One for each set of principals that are asked for, and each key that writes. */
const MAX_GRANTS = 256;

/** By the route that everybody is led to. */
type Twins = ReadonlyMap<Route, Route>;

export class Access {
  readonly #keys: KeyVerifier | null;
  readonly #limiter: KeyLimiter;
  readonly #routes: readonly Route[];
  readonly #routesFor: (grant: Grant) => readonly Route[];
  readonly #needs: ReadonlyMap<Route, Need>;
  readonly #twins = new LRUCache<string, Twins>({ max: MAX_GRANTS });
  /** Who asked before asks again as a rule. */
  #lastGrant: Grant | null = null;
  #lastTwins: Twins = new Map();

  /**
   * @param keys null: callers need none
   * @param limiter holds callers to their limits
   * @param routes those that work with what is stored
   * @param routesFor the same routes in the same order, for one grant
   */
  constructor(keys: KeyVerifier | null, limiter: KeyLimiter, routes: readonly Route[], routesFor: (grant: Grant) => readonly Route[]) {
    this.#keys = keys;
    this.#limiter = limiter;
    this.#routes = routes;
    this.#routesFor = routesFor;
    this.#needs = new Map(
      routes.flatMap((route) => {
        const need = needOf(route);
        return need === "open" ? [] : [[route, need] as const];
      }),
    );
  }

  /** What the route asks of a key; null: it is open to all. */
  needOf(route: Route): Need | null {
    return this.#needs.get(route) ?? null;
  }

  /** Whose key the request brings; null: none is asked for. Throws `unauthorized`. */
  identify(need: Need | null, request: HttpRequest): Caller | null {
    if (this.#keys === null || need === null) return null;
    return this.#keys.verify(request.headers.get("authorization"));
  }

  /** Counts the request against the key's limits, until it leaves; null: there are none. Throws `overloaded`. */
  enter(caller: Caller, nowMs: number): KeyUse | null {
    return this.#limiter.enter(caller, nowMs);
  }

  /**
   * The route as this caller may use it, for whom it asks.
   * @param need the route's own
   * @param caller null: no key is asked for
   * @throws KennelError `forbidden`, `invalid_request` where it does not say well on whose behalf it asks
   */
  permit(route: Route, need: Need | null, caller: Caller | null, request: HttpRequest): Route {
    if (need === null) return route;
    if (caller !== null) requireNeed(caller, need);
    const asked = askedPrincipals(request.headers);
    if (caller === null) return asked === null ? route : this.#twinOf(route, narrowed(asked));
    return this.#twinOf(route, asked === null ? caller : delegated(caller, asked));
  }

  #twinOf(route: Route, grant: Grant): Route {
    const twin = this.#twinsFor(grant).get(route);
    if (twin === undefined) throw kennelError("forbidden");
    return twin;
  }

  #twinsFor(grant: Grant): Twins {
    if (grant === this.#lastGrant) return this.#lastTwins;
    this.#lastGrant = grant;
    this.#lastTwins = this.#twinsOf(grant);
    return this.#lastTwins;
  }

  #twinsOf({ scope, collections, tenant, principals, replacesUnseen, owner }: Grant): Twins {
    const writer = scope === "read" ? null : owner; // who only reads takes no room, and shares its routes
    const name = JSON.stringify([scope, collections, tenant, principals, replacesUnseen, writer]);
    const known = this.#twins.get(name);
    if (known !== undefined) return known;
    const made = this.#routesFor({ scope, collections, tenant, principals, replacesUnseen, owner: writer });
    const twins = new Map(this.#routes.flatMap((route, place) => (made[place] === undefined ? [] : [[route, made[place]] as const])));
    this.#twins.set(name, twins);
    return twins;
  }
}

function requireNeed(caller: Caller, need: Need): void {
  if (!allowsScope(caller.scope, need.scope)) {
    throw kennelError("forbidden", { message: `The key has the scope ${caller.scope}; this needs ${need.scope}` });
  }
  if (need.isForAll && caller.tenant !== null) {
    throw kennelError("forbidden", { message: "The key is a tenant's; this is for operators" });
  }
  if (need.isForAll && !namesEveryCollection(caller.collections)) {
    throw kennelError("forbidden", { message: "The key is for some collections; this needs one for every collection (*)" });
  }
}

/** What asking a route does to what is stored, or to the node; null: nothing. */
export function changesOf(need: Need | null): "write" | "admin" | null {
  return need === null || need.scope === "read" ? null : need.scope;
}
