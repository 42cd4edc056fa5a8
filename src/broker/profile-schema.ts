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

/** A header that crosses to the network at all, asked of the very code that decides it. */
const headerName = z
  .string()
  .transform((name) => name.toLowerCase())
  .refine((name) => {
    const fields = requestHeaders([[name, ""]]);
    return fields.kind === "ok" && fields.headers.length === 1;
  }, "wanted the name of a header that is neither framing nor hop-by-hop");

/** One profile. Unknown keys are refused: a misspelt `audience` must not mean everybody. */
export const profileShape = z.strictObject({
  secret: z.union([
    z.strictObject({ env: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/) }),
    z.strictObject({ file: z.string().min(1) }),
    z.strictObject({ value: z.string().min(1) }),
  ]),
  audience: z.array(origin).min(1),
  inject: z.strictObject({
    header: headerName,
    template: z
      .string()
      .regex(/^[\x20-\x7e]*$/)
      .refine((text) => text.split("{secret}").length === 2, "wanted exactly one {secret}")
      .default("{secret}"),
  }),
  allow_addresses: z.array(block).default([]),
});

/** One profile as written: where its secret is, not what it is. */
export type ProfileDocument = z.infer<typeof profileShape>;
