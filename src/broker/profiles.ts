/** A secret and who may receive it, as the broker holds them while it runs. */
import type { AddressBlock } from "./egress/index.ts";

/** A secret's text. It shows itself to nobody who does not ask for it by name: not to JSON, not to a template. */
export class Secret {
  readonly #text: string;

  /** @param text visible ASCII, spaces allowed inside: it becomes a header's value; or a private key in PEM */
  constructor(text: string) {
    this.#text = text;
  }

  /** The text itself. Five callers may: the injection into a request, the HMAC, `reveal`, the filter that keeps it from guests, and TLS. */
  reveal(): string {
    return this.#text;
  }

  /** Whether two are the same text. For whoever says that one was rotated, and not for what a guest gave. */
  isSame(other: Secret): boolean {
    return this.#text === other.#text;
  }

  toString(): string {
    return "[secret]";
  }

  toJSON(): string {
    return "[secret]";
  }
}

/** One destination, exactly: another port or scheme of the same host is another destination. */
export interface Origin {
  readonly scheme: "http" | "https";
  readonly host: string;
  readonly port: number;
  /** As guests are told: `https://api.example.com`. */
  readonly text: string;
}

/** Whom https requests to the audience trust beside the runtime's own authorities, and as whom they speak. */
export interface ProfileTls {
  /** PEM. */
  readonly extraAuthorities?: readonly string[];
  /** PEM; the certificate may be followed by those between it and its authority. */
  readonly client?: { readonly certificate: string; readonly key: Secret };
}

/** A profile ready for use. */
export interface SecretProfile {
  readonly name: string;
  readonly secret: Secret;
  /** Never empty. */
  readonly audience: readonly Origin[];
  /** Signs in place of the text: then the secret is a private key, and its text is of no use to anybody. */
  readonly key?: CryptoKey;
  /** SHA-256 of the key's text: it tells one key from another. */
  readonly keyDigest?: string;
  /** Name of the query parameter that carries the secret instead of a header. */
  readonly query?: string;
  /** User name of Basic authentication: `{secret}` then stands for both, encoded. */
  readonly basicUser?: string;
  /** Tenants it is for; absent = all. */
  readonly tenants?: readonly string[];
  /** Lower-case name of the header that carries the secret; `""` = none does. */
  readonly header: string;
  /** The header's value, with `{secret}` where the secret goes. */
  readonly template: string;
  /** Address blocks opened for requests to the audience, and for no others. */
  readonly open: readonly AddressBlock[];
  /** For https requests to the audience, and for no others. */
  readonly tls?: ProfileTls;
}
