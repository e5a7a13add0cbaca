/** What goes wrong between nodes by no fault of this one, or by one that shows elsewhere: counted, told now and then, and gone on after. */
export const BETWEEN_NODES = {
  malformed_heartbeat: "what was published as a heartbeat is none, or too large: it was dropped",
  malformed_digest: "what was published as a digest of heartbeats is none, or too large: it was dropped",
  malformed_control: "what was published as a leader's word is none, or too large: it was dropped",
  malformed_collections: "what was published as a change of a collection is none, or too large: it was dropped",
  malformed_reply: "an answer of another node could not be read: the query was sent elsewhere",
  oversized_publication:
    "what this node had to tell all others does not fit into a message of NATS and was not sent: raise its max_payload",
  oversized_request: "a request to another node does not fit into a message of NATS: it was refused with the limit",
  oversized_answer: "an answer to another node was larger than can be sent, even in parts: that node was told so",
  answer_part_lost: "a part of another node's answer was lost on its way: the answer was dropped, and another node is asked",
  late_reply: "an answer of another node came when nobody waited for it any more: it was dropped",
  asker_gone: "an answer to another node reached nobody: who asked has gone",
  slow_reader: "an answer of another node came faster than it was read: it was ended",
} as const;

/** The same of clients that ask over NATS. */
export const WITH_CLIENTS = {
  foreign_reply_subject: "a client's message names a subject to reply to that is not a client's: it was dropped",
  no_reply_subject: "a client's message names no subject to reply to: it was dropped",
  oversized_answer: "an answer to a client does not fit into a message of NATS: it was told the limit and what to do",
  asker_gone: "an answer to a client reached nobody: who asked has gone",
  undelivered: "an answer to a client was not sent: this node was cut off from NATS",
} as const;
