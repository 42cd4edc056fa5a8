/** An OpenID Connect issuer on loopback: real keys, real documents over HTTP, and every fault that a test wants. */
import { createServer, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { exportJWK, type JWK } from "jose";

/** A key pair that can sign tokens. */
export interface SigningKey {
  readonly kid: string;
  readonly alg: "ES256" | "RS256" | "PS256" | "EdDSA";
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  readonly jwk: JWK;
}

const ALGORITHMS = {
  ES256: { create: { name: "ECDSA", namedCurve: "P-256" }, sign: { name: "ECDSA", hash: "SHA-256" } },
  RS256: {
    create: {
      name: "RSASSA-PKCS1-v1_5",
      modulusLength: 2048,
      publicExponent: new Uint8Array([1, 0, 1]),
      hash: "SHA-256",
    },
    sign: { name: "RSASSA-PKCS1-v1_5" },
  },
  PS256: {
    create: {
      name: "RSA-PSS",
      modulusLength: 2048,
      publicExponent: new Uint8Array([1, 0, 1]),
      hash: "SHA-256",
    },
    sign: { name: "RSA-PSS", saltLength: 32 },
  },
  EdDSA: { create: { name: "Ed25519" }, sign: { name: "Ed25519" } },
} as const;

/** Makes a key pair. */
export async function signingKey(kid: string, alg: SigningKey["alg"] = "ES256"): Promise<SigningKey> {
  const pair = await crypto.subtle.generateKey(ALGORITHMS[alg].create, true, ["sign", "verify"]);
  if (!("privateKey" in pair)) throw new TypeError("wanted a key pair");
  const jwk = { ...(await exportJWK(pair.publicKey)), kid, alg, use: "sig" };
  return { kid, alg, ...pair, jwk };
}

/** base64url of a text, or of bytes. */
export function base64url(value: string | Uint8Array): string {
  return Buffer.from(value).toString("base64url");
}

/** Signs whatever is given, sense or nonsense: a text stands as it is, an object as JSON. */
export async function sign(
  key: SigningKey,
  header: object | string,
  claims: object | string,
): Promise<string> {
  const text = (part: object | string) => base64url(typeof part === "string" ? part : JSON.stringify(part));
  const input = `${text(header)}.${text(claims)}`;
  const bytes = new TextEncoder().encode(input);
  const signature = await crypto.subtle.sign(ALGORITHMS[key.alg].sign, key.privateKey, bytes);
  return `${input}.${base64url(new Uint8Array(signature))}`;
}

/** An issuer that listens. */
export interface TestIssuer {
  /** Its `iss`. */
  readonly url: string;
  /** What it publishes; to be changed by tests. */
  keys: JWK[];
  /** Paths asked for so far. */
  readonly asked: string[];
  /** Answers instead of the documents, when set. */
  answer: ((path: string) => { status?: number; body?: string; delayMs?: number } | undefined) | undefined;
  close(): Promise<void>;
}

/** @param tls certificate and key in PEM; absent = plain HTTP */
export async function openIssuer(
  keys: readonly SigningKey[],
  tls?: { readonly cert: string; readonly key: string; readonly hostname: string },
): Promise<TestIssuer> {
  const asked: string[] = [];
  const timers = new Set<ReturnType<typeof setTimeout>>();
  const issuer = {
    url: "",
    keys: keys.map(({ jwk }) => jwk),
    asked,
    answer: undefined as TestIssuer["answer"],
    async close() {
      for (const timer of timers) clearTimeout(timer);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  const server: Server = (tls === undefined ? createServer() : createTlsServer(tls)) as Server;
  server.on("request", (request, response) => {
    const path = request.url ?? "";
    asked.push(path);
    const documents: Record<string, object> = {
      "/.well-known/openid-configuration": { issuer: issuer.url, jwks_uri: `${issuer.url}/keys` },
      "/keys": { keys: issuer.keys },
    };
    const { status, body, delayMs = 0 } = issuer.answer?.(path) ?? {};
    const document = documents[path];
    const send = () => {
      response.statusCode = status ?? (document === undefined ? 404 : 200);
      response.setHeader("content-type", "application/json");
      response.end(body ?? JSON.stringify(document ?? {}));
    };
    if (delayMs === 0) send();
    else timers.add(setTimeout(send, delayMs));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  issuer.url = tls === undefined ? `http://127.0.0.1:${port}` : `https://${tls.hostname}:${port}`;
  return issuer;
}
