/** What a manifest says of budgets that runs share, and of what stood in for an output. Part of the predicate's schema. */
import { z } from "zod";
import { TASK_CLASSES } from "../policy/types.ts";

const count = z.int().nonnegative();
const instant = z.iso.datetime({ precision: 3 });
const valueHash = z
  .string()
  .regex(/^sha256:[0-9a-f]{64}$/)
  .describe("sha256 of the value's canonical JSON");

/** `lease`. */
export const lease = z
  .looseObject({
    expires_at: instant.describe("When what it took goes back by itself, should nobody see the run's end"),
    windows: z
      .array(
        z.looseObject({
          class: z.enum(TASK_CLASSES).describe("Whose share of the window"),
          per_seconds: count.describe("Length of the window"),
          starts_at: instant.describe("When it began"),
          taken: z
            .looseObject({
              runs: count.describe("Runs"),
              fuel: count.describe("Fuel"),
              egress_bytes: count.describe("Bytes over the network"),
              wall_ms: count.describe("Time, in ms"),
            })
            .describe("What was set aside; 0 where the policy sets no limit"),
        }),
      )
      .describe("Windows of time that the runs of one tenant and tool share"),
  })
  .describe("What it took from its policy's windows before it ran; absent when the policy names none");

const fromRun = {
  value_hash: valueHash,
  run: z.string().describe("The run whose output it is"),
};

/** `fallback`. */
export const fallback = z
  .discriminatedUnion("kind", [
    z.looseObject({ kind: z.literal("static"), value_hash: valueHash }).describe("The policy's own value"),
    z
      .looseObject({ kind: z.literal("last-good"), ...fromRun })
      .describe("An earlier output of the same function for the same input"),
    z
      .looseObject({ kind: z.literal("tool"), ...fromRun })
      .describe("Another tool's output for the same input; its run is among the children"),
  ])
  .describe("What the caller was given instead of an output; absent when no fallback applied");
