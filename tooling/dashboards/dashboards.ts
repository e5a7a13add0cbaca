import { ACTORS } from "./actors.ts";
import { INGEST } from "./ingest.ts";
import type { Dashboard } from "./panel.ts";
import { OVERVIEW } from "./searches.ts";

export const DASHBOARDS: readonly Dashboard[] = [OVERVIEW, ACTORS, INGEST];
