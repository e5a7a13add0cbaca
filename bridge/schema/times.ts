/** Wall milliseconds as people and programs read them: ISO 8601 in UTC. */
export function isoTime(wallMs: number): string {
  return new Date(wallMs).toISOString();
}

export function isoTimeOrNull(wallMs: number | null): string | null {
  return wallMs === null ? null : isoTime(wallMs);
}
