/** What it costs to know who asks: an API key looked up in the store, a token verified by its issuer's key. */

import { join } from "node:path";
import { runtime } from "#runtime";
import { createOutgoing } from "../../../src/broker/index.ts";
import { createIdentity } from "../../../src/identity/index.ts";
import { openStore } from "../../../src/stores/index.ts";
import { openIssuer, type SigningKey, sign, signingKey } from "../../support/issuer.ts";
import { actOfTest } from "../../support/key-act.ts";
import { compare, planFor } from "../harness.ts";
import type { Suite } from "../suite.ts";

const AUDIENCE = "https://writ.example.com";

/** The suite. */
export const identity: Suite = {
  name: "identity",
  about: "an API key and tokens to principals, beside a bare signature check",
  async run({ folder, seconds, say }) {
    const { clock, entropy } = runtime;
    const store = await openStore(runtime.openSqlite(join(folder, "identity.sqlite")));
    const keys = await Promise.all([signingKey("es", "ES256"), signingKey("rs", "RS256")]);
    const issuer = await openIssuer(keys);
    const who = createIdentity({ store, clock, entropy, outgoing: createOutgoing(runtime) });
    who.use({
      issuers: [
        {
          name: "corp",
          issuer: issuer.url,
          audience: [AUDIENCE],
          algorithms: ["ES256", "RS256"],
          typ: "at+jwt",
          maxAgeSeconds: 3600,
          clockToleranceSeconds: 5,
          allowAddresses: ["127.0.0.1/32"],
          authorities: [],
          tenant: { claim: "org", map: { "org-17": "acme" } },
          tier: { value: "pro" },
          principal: { claim: "sub" },
          scopes: { claim: "scope" },
        },
      ],
    });
    const tokenOf = async (key: SigningKey) => {
      const iat = Math.floor(clock.nowMs() / 1000);
      const claims = { iss: issuer.url, aud: AUDIENCE, sub: "alice", org: "org-17", scope: "invoke", iat };
      const header = { alg: key.alg, kid: key.kid, typ: "at+jwt" };
      return `Bearer ${await sign(key, header, { ...claims, exp: iat + 3600 })}`;
    };
    const ask = (authorization: string) => async () => void (await who.authenticate(authorization));
    try {
      const { text } = await who.issueKey(
        { tenant: "acme", tier: "pro", scopes: ["invoke"], label: "" },
        actOfTest,
      );
      const [es, rs] = keys;
      const how = { name: "ECDSA", hash: "SHA-256" };
      const bytes = entropy.bytes(400);
      const signature = await crypto.subtle.sign(how, es.privateKey, Uint8Array.from(bytes));
      say("keys and tokens");
      const rows = await compare(
        [
          {
            name: "bare crypto.subtle.verify, ES256",
            run: async () =>
              void (await crypto.subtle.verify(how, es.publicKey, signature, Uint8Array.from(bytes))),
          },
          { name: "API key", run: ask(`Bearer ${text}`) },
          { name: "token, ES256", run: ask(await tokenOf(es)) },
          { name: "token, RS256", run: ask(await tokenOf(rs)) },
        ],
        planFor(0.3, seconds),
      );
      return {
        tables: [{ title: "from the header to the principal, ms", rows }],
        figures: [],
        notes: ["the issuer's keys are known: fetching them is one request in five minutes"],
      };
    } finally {
      await issuer.close();
      await store.close();
    }
  },
};
