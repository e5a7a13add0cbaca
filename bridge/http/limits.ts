/** Bounds of the HTTP bridge; every field is a setting. */
export interface BridgeLimits {
  /** Requests answered at once, operations such as `/healthz` aside. */
  readonly maxInFlight: number;
  /** Bytes of request bodies held at once, all requests together. */
  readonly maxBufferedBytes: number;
  /** Body of documents; one file or many. */
  readonly maxDocumentsBodyBytes: number;
  /** Any other body. */
  readonly maxBodyBytes: number;
  /** Documents in one request. */
  readonly maxDocuments: number;
  /** A search's time where the caller names none. */
  readonly defaultTimeoutMs: number;
  /** The same for writing documents and warming. */
  readonly defaultWriteTimeoutMs: number;
  /** The longest time a caller gets. */
  readonly maxTimeoutMs: number;
}
