import { ErrorCode, type NatsConnection, NatsError } from "nats";

export interface CapturedSubject {
  readonly subject: string;
  readonly stream: string;
}

const ASK_LIMIT_MS = 5_000;
/** Streams named for one subject; one is wrong already. */
const MAX_STREAMS = 8;
/** JetStream's own code for an account that has none. */
const NOT_ENABLED = 10_039;

/**
 * Streams that capture one of the subjects. Such a stream answers each question with its acknowledgement, which may be the
 * first answer that the asker gets.
 * @param subjects may hold wildcards
 * @returns null: JetStream would not say
 */
export async function capturedSubjects(client: NatsConnection, subjects: readonly string[]): Promise<readonly CapturedSubject[] | null> {
  try {
    const manager = await client.jetstreamManager({ checkAPI: false, timeout: ASK_LIMIT_MS });
    const captured: CapturedSubject[] = [];
    for (const subject of subjects) {
      const names = await manager.streams.names(subject).next();
      for (const stream of names.slice(0, MAX_STREAMS)) captured.push({ subject, stream });
    }
    return captured;
  } catch (thrown) {
    if (!(thrown instanceof NatsError)) throw thrown;
    const hasNoJetStream = thrown.code === ErrorCode.NoResponders || thrown.api_error?.err_code === NOT_ENABLED;
    return hasNoJetStream || thrown.code === ErrorCode.JetStreamNotEnabled ? [] : null;
  }
}
