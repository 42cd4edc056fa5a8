/** Shapes of the answers about API keys; see `schemas.ts`. */
import { z } from "zod";

const keyShape = {
  id: z.string().meta({ description: "Public id, as manifests and logs name it" }),
  tenant: z.string(),
  tier: z.string(),
  scopes: z.array(z.string()),
  label: z.string(),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime().nullable(),
  revokedAt: z.iso.datetime().nullable(),
};

/** Answer of `POST /v1/keys`. */
export const IssuedKey = z
  .object({
    ...keyShape,
    key: z.string().meta({ description: "The key itself: shown this once, and kept nowhere" }),
  })
  .meta({ id: "IssuedKey" });

/** Answer of `GET /v1/keys`. */
export const KeyList = z
  .object({
    keys: z.array(z.object(keyShape)),
    next: z.string().meta({ description: "Pass as after for the page that follows" }).optional(),
  })
  .meta({ id: "KeyList" });

/** Answer of `POST /v1/keys/{key}/revoke`. */
export const RevokedKey = z.object({ id: z.string(), revoked: z.literal(true) }).meta({ id: "RevokedKey" });
