import { RegExpRouter } from "hono/router/reg-exp-router";
import { SmartRouter } from "hono/router/smart-router";
import { TrieRouter } from "hono/router/trie-router";
import { getPath, tryDecodeURIComponent } from "hono/utils/url";
import type { Method, Route } from "./route.ts";

/** A path's route for each method, and the methods that it has. */
interface Place {
  readonly path: string;
  readonly routes: ReadonlyMap<string, Route>;
  /** For the header `Allow`. */
  readonly allow: string;
}

export type Found =
  | { readonly kind: "route"; readonly route: Route; readonly params: Readonly<Record<string, string>> }
  /** The path exists; the method is OPTIONS or one that it does not take. */
  | { readonly kind: "other_method"; readonly path: string; readonly allow: string }
  | { readonly kind: "unknown" };

/** Targets that were asked before, and how long one of them may be: as popular collections are, they are asked again. */
const MAX_KNOWN = 512;
const MAX_KNOWN_LENGTH = 256;

const NO_PARAMS: Readonly<Record<string, string>> = {};
const UNKNOWN: Found = { kind: "unknown" };
/** What the router files all places under: the method is looked up in the place. */
const ANY = "ALL";

/** Finds a request's route: Hono's routers by themselves, since its application around them costs more than they do. */
export class Router {
  readonly #router = new SmartRouter<Place>({ routers: [new RegExpRouter(), new TrieRouter()] });
  /** By method and target. When it is full it begins anew. */
  readonly #known = new Map<string, Map<string, Found>>();
  #knownTargets = 0;

  constructor(routes: readonly Route[]) {
    for (const place of placesOf(routes)) this.#router.add(ANY, place.path.replaceAll(/\{(\w+)\}/g, ":$1"), place);
  }

  /** @param method `HEAD` is answered as `GET` is */
  find(method: string, target: string): Found {
    const known = this.#known.get(method)?.get(target);
    if (known !== undefined) return known;
    const found = this.#look(method, target);
    if (found.kind === "route" && target.length <= MAX_KNOWN_LENGTH) this.#remember(method, target, found);
    return found;
  }

  #remember(method: string, target: string, found: Found): void {
    if (this.#knownTargets >= MAX_KNOWN) {
      this.#known.clear();
      this.#knownTargets = 0;
    }
    const ofMethod = this.#known.get(method);
    if (ofMethod === undefined) this.#known.set(method, new Map([[target, found]]));
    else ofMethod.set(target, found);
    this.#knownTargets += 1;
  }

  #look(method: string, target: string): Found {
    const matched = this.#router.match(ANY, pathOf(target));
    const [first] = matched[0];
    if (first === undefined) return UNKNOWN;
    const [place, places] = first;
    const route = place.routes.get(method === "HEAD" ? "GET" : method);
    if (route === undefined) return { kind: "other_method", path: place.path, allow: place.allow };
    return { kind: "route", route, params: paramsOf(places, matched[1]) };
  }
}

/** The path, with its escapes read, apart from those of characters that mean something in a path. */
function pathOf(target: string): string {
  if (target.includes("%")) return getPath({ url: `http://localhost${target}` } as Request);
  const end = target.search(/[?#]/);
  return end === -1 ? target : target.slice(0, end);
}

/** The router names each parameter's value, or its place in the stash of what its expression has captured. */
function paramsOf(
  places: Readonly<Record<string, string | number>>,
  stash: readonly string[] | undefined,
): Readonly<Record<string, string>> {
  let params: Record<string, string> | null = null;
  for (const name in places) {
    const place = places[name] as string | number;
    const value = typeof place === "number" ? stash?.[place] : place;
    if (value === undefined) continue;
    params ??= {};
    params[name] = tryDecodeURIComponent(value); // what `getPath` has left escaped, such as a slash
  }
  return params ?? NO_PARAMS;
}

function placesOf(routes: readonly Route[]): readonly Place[] {
  const byPath = new Map<string, Map<string, Route>>();
  for (const route of routes) {
    const known = byPath.get(route.path);
    if (known === undefined) byPath.set(route.path, new Map([[route.method, route]]));
    else known.set(route.method, route);
  }
  return [...byPath].map(([path, ofPath]) => ({ path, routes: ofPath, allow: allowOf([...ofPath.keys()] as Method[]) }));
}

function allowOf(methods: readonly Method[]): string {
  return [...methods, ...(methods.includes("GET") ? ["HEAD"] : []), "OPTIONS"].join(", ");
}
