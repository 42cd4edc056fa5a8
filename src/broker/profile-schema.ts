/** The shape of one secret profile as the operator writes it, see `profile-file.ts`. */
import { z } from "zod";
import { parseBlock, parseTarget, requestHeaders } from "./egress/index.ts";
import type { Origin } from "./profiles.ts";

const origin = z.string().transform((text, context): Origin => {
  const parts = /^(https?):\/\/([^/?#]+)$/.exec(text);
  const parsed = parseTarget({
    method: "",
    scheme: parts?.[1] ?? "",
    authority: parts?.[2] ?? "",
    pathWithQuery: "/",
  });
  if (!parsed.ok) {
    context.addIssue({ code: "custom", message: "wanted an origin such as https://api.example.com" });
    return z.NEVER;
  }
  const { scheme, host, port } = parsed.target;
  return { scheme, host, port, text };
});

const block = z.string().transform((text, context) => {
  try {
    return parseBlock(text);
  } catch {
    context.addIssue({ code: "custom", message: "wanted a CIDR block such as 127.0.0.1/32" });
    return z.NEVER;
  }
});

function isSecure({ scheme }: Origin): boolean {
  return scheme === "https";
}

/** A header that crosses to the network at all, asked of the very code that decides it. */
const headerName = z
  .string()
  .transform((name) => name.toLowerCase())
  .refine((name) => {
    const fields = requestHeaders([[name, ""]]);
    return fields.kind === "ok" && fields.headers.length === 1;
  }, "wanted the name of a header that is neither framing nor hop-by-hop");

const query = z.string().regex(/^[A-Za-z0-9._~-]{1,64}$/, "wanted the name of a query parameter");
const tenant = z.string().min(1).max(64);

/** How a secret goes along: exactly one of four ways. */
const inject = z.union(
  [
    z.strictObject({
      header: headerName,
      template: z
        .string()
        .regex(/^[\x20-\x7e]*$/)
        .refine((text) => text.split("{secret}").length === 2, "wanted exactly one {secret}")
        .default("{secret}"),
    }),
    z.strictObject({ query }),
    z.strictObject({ basic: z.string().regex(/^[\x20-\x39\x3b-\x7e]{1,128}$/) }),
    z.strictObject({ bearer: z.literal(true) }),
  ],
  "wanted one of header, query, basic and bearer",
);

/** Names of PEM files; a name that is not absolute begins in the profiles file's folder. */
const tls = z
  .strictObject({
    ca: z.string().min(1).optional(),
    certificate: z.string().min(1).optional(),
    key: z.string().min(1).optional(),
  })
  .refine(({ certificate, key }) => (certificate === undefined) === (key === undefined), {
    error: "wanted certificate and key together",
  })
  .refine(({ ca, certificate }) => ca !== undefined || certificate !== undefined, {
    error: "wanted ca, or certificate and key",
  });

/** One profile. Unknown keys are refused: a misspelt `audience` must not mean everybody. */
export const profileShape = z
  .strictObject({
    secret: z.union([
      z.strictObject({ env: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/) }),
      z.strictObject({ file: z.string().min(1) }),
      z.strictObject({ value: z.string().min(1) }),
      z.strictObject({ command: z.array(z.string().min(1)).min(1).max(32) }),
    ]),
    audience: z.array(origin).min(1),
    inject: inject.optional(),
    /** The secret is a private key in PEM (PKCS #8), which signs and is never sent. */
    sign: z.enum(["Ed25519", "ES256"]).optional(),
    tenants: z.array(tenant).min(1).optional(),
    allow_addresses: z.array(block).default([]),
    /** Whom to trust beside the runtime's own, and what to show to a server that asks for a client certificate. */
    tls: tls.optional(),
  })
  .refine(
    ({ inject: way, sign }) => sign === undefined || way === undefined,
    "wanted inject or sign: a private key is not sent",
  )
  .refine(({ audience, tls: settings }) => settings === undefined || audience.some(isSecure), {
    error: "wanted an https origin in the audience: tls is for no other",
    path: ["tls"],
  });

/** One profile as written: where its secret is, not what it is. */
export type ProfileDocument = z.infer<typeof profileShape>;
