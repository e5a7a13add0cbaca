import { readFileSync } from "node:fs";
import { type Authenticator, credsAuthenticator, nkeyAuthenticator, type TlsOptions, usernamePasswordAuthenticator } from "nats";

/** Who this node is to NATS. Files are read at each connection, so that what is in them can be replaced. */
export type NatsCredentials =
  | { readonly kind: "none" }
  | { readonly kind: "user"; readonly user: string; readonly password: string }
  /** The file holds the seed of a user's nkey: `SU…`. */
  | { readonly kind: "nkey"; readonly seedFile: string }
  /** The file holds a user's token and seed, as `nsc` writes them. */
  | { readonly kind: "creds"; readonly file: string };

/** Files in PEM. Empty: none. */
export interface NatsTls {
  /** Who has signed the server's certificate; empty: whom the system trusts. */
  readonly caFile: string;
  /** This node's own certificate and its key, where the server asks for one. */
  readonly certFile: string;
  readonly keyFile: string;
  /** The name that the server's certificate carries; empty: that of its address. */
  readonly serverName: string;
}

export function authenticatorOf(credentials: NatsCredentials): Authenticator {
  switch (credentials.kind) {
    case "none":
      return () => undefined;
    case "user":
      return usernamePasswordAuthenticator(credentials.user, credentials.password);
    case "nkey":
      return nkeyAuthenticator(() => new TextEncoder().encode(readFileSync(credentials.seedFile, "utf8").trim()));
    case "creds":
      return credsAuthenticator(() => readFileSync(credentials.file));
  }
}

export function tlsOptions({ caFile, certFile, keyFile, serverName }: NatsTls): TlsOptions {
  return {
    ...(caFile === "" ? {} : { caFile }),
    ...(certFile === "" ? {} : { certFile, keyFile }),
    ...(serverName === "" ? {} : { servername: serverName }),
  };
}
