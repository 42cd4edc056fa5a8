/** The clause `evidence` of a policy: what is kept of a run beside the digests that are signed, and for how long. */
import * as z from "zod";
import { integer, setOf, size } from "./schema-parts.ts";

const NOTHING = "journal: full, or at least one of input, output in keep";
const KEPT = ["input", "output"] as const;

const shape = z.strictObject(
  {
    journal: z
      .enum(["none", "full"], { error: "none or full" })
      .default("none")
      .describe("full: input, output and all that crossed the run's border, so that it can be replayed"),
    keep: setOf(z.enum(KEPT, { error: "input or output" }), "a list of input, output", 0)
      .default([])
      .describe("What is kept in clear where there is no journal; a full one has both"),
    journal_bytes: size("What may be kept of one run", 1024, 64 * 2 ** 20).default(4 * 2 ** 20),
    journal_over: z
      .enum(["stop", "drop"], { error: "stop or drop" })
      .default("stop")
      .describe(
        "A run that needs more: stop = it ends as exhausted; drop = nothing is kept, which is signed",
      ),
    retention_days: integer("Days after which it is erased", 1, 3650).default(30),
  },
  { error: "a mapping of journal, keep, journal_bytes, journal_over, retention_days" },
);

/** Keys that the clause may have, for "did you mean". */
export const EVIDENCE_KEYS: readonly string[] = Object.keys(shape.shape);

/** `evidence`: kept encrypted under a key of the tenant's own, apart from what is signed, so that it can be erased. */
export const evidenceClause = shape
  // A clause that keeps nothing is a mistake of whoever wrote it.
  .refine(({ journal, keep }) => journal === "full" || keep.length > 0, { error: NOTHING })
  // One meaning, one spelling, one policy id.
  .transform(({ keep, ...rest }) => ({ ...rest, keep: rest.journal === "full" ? [...KEPT] : keep }))
  .describe("What is kept of a run beside digests: encrypted, and erasable without breaking any proof");
