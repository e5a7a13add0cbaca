/** Every subject of Kennel begins with it: the name and the version of what is spoken on the wire. */
export const SUBJECT_ROOT = "kennel.v1";

/** Where a node takes what other nodes ask of it; `>` for the endpoint: all of it. */
export function nodeSubject(node: string, endpoint: string): string {
  return `${SUBJECT_ROOT}.node.${node}.${endpoint}`;
}

/** The one name between nodes that no endpoint can have: its message names the reply subject of a request that nobody waits for. */
export const CANCEL = "cancel";
