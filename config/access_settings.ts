/** Settings of who gets in, beside `auth` and the file of keys. */
import { z } from "zod";
import { secret, setting } from "./setting.ts";
import { bytes, count, MIB, milliseconds } from "./value_types.ts";

/** Of `keys`. */
export const KEY_LIMIT_SETTINGS = {
  ratePerSecond: setting(
    z.number().min(0).max(1_000_000),
    0,
    "Requests a second on average that a key without a rate of its own may make at each node; beyond it `overloaded`. 0: no limit",
  ),
  burst: setting(z.int().min(0).max(1_000_000), 0, "Requests at once after a pause, within that rate. 0: as many as a second brings"),
  maxConcurrent: setting(
    z.int().min(0).max(1_000_000),
    0,
    "Requests that a key without a number of its own may have under way at once at each node; beyond it `overloaded`. 0: no limit",
  ),
};

/** Of `nats`. */
export const NATS_CALLOUT_SETTINGS = {
  calloutSeedFile: setting(
    z.string(),
    "",
    "File with the seed (`SA…`) of the account that the servers' `auth_callout` names as issuer: this node then answers them who may connect, by callers' keys. Empty: it does not",
  ),
  calloutXkeySeed: secret(
    z.string().regex(/^(|SX[A-Z2-7]{56})$/, "expected a seed as `nk -gen curve` writes it: SX and 56 further letters and digits"),
    "",
    "Seed (`SX…`) of the key that the servers' `auth_callout` names as xkey: they seal their questions, which hold callers' keys, and this node its answers. The same for all nodes. Empty: questions come as they are",
  ),
  calloutAccount: setting(z.string().min(1).max(256), "$G", "The servers' account that callers come into"),
  calloutSessionMs: setting(
    z.int().min(1_000).max(86_400_000),
    600_000,
    "Time after which a caller's connection ends and its key is looked at anew; each message's own key is looked at in any case",
  ),
};

export const ACCESS_SETTINGS = {
  tls: {
    certFile: setting(
      z.string(),
      "",
      "Certificate (PEM, with those that lead to its issuer) that the HTTP listener shows; empty: plain HTTP",
    ),
    keyFile: setting(z.string(), "", "The certificate's key (PEM)"),
    clientCaFile: setting(
      z.string(),
      "",
      "Certificates (PEM) of those who sign clients' certificates: a client without one of theirs is not let in. Empty: none is asked for",
    ),
    checkMs: setting(
      milliseconds(),
      10_000,
      "Pause between two looks whether these files were replaced; connections that are open keep what they have",
    ),
  },

  audit: {
    to: setting(
      z.enum(["off", "log", "file"]),
      "file",
      "Where it is written who has changed what, and who was refused: `file` is `audit/audit.log` in the data folder, `log` the standard output, in lines with `audit: true`",
    ),
    maxFileBytes: setting(bytes(), 16 * MIB, "Size at which the file is put aside and a new one begun"),
    maxFiles: setting(count(1_000), 5, "Files that were put aside and are kept; the oldest goes"),
  },
};
