/** `writ keys`: issue, list and revoke API keys. Works on the data folder, whether or not a gateway runs on it. */
import type { Command } from "commander";
import { isScope, SCOPE_NAMES, SCOPES } from "../../core/policy/index.ts";
import { describeKey } from "../../gateway/index.ts";
import type { KeyRow } from "../../ports/index.ts";
import { loadConfig } from "../config.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit.ts";
import { alignColumns, printable, printJson } from "../output.ts";
import { instant, readSpan } from "../time.ts";
import { UsageError } from "../usage-error.ts";
import type { CliWorld, Keys } from "../world.ts";
import { addKeysInit } from "./keys-init.ts";
import { addKeysRotate } from "./keys-rotate.ts";

interface KeyFlags {
  readonly data?: string;
  readonly identity?: string;
  readonly json?: boolean;
}

interface IssueFlags extends KeyFlags {
  readonly tenant: string;
  readonly tier?: string;
  readonly scopes: string;
  readonly label: string;
  readonly expires?: string;
}

interface ListFlags extends KeyFlags {
  readonly tenant?: string;
  readonly limit: string;
  readonly after?: string;
}

const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
/** Adds the commands. */
export function addKeys(program: Command, { world, end }: CommandContext): void {
  const keys = program
    .command("keys")
    .description("Issues, lists and revokes API keys; rotates signing keys");
  const withKeys = async <T>(flags: KeyFlags, use: (keys: Keys) => Promise<T>): Promise<T> => {
    const { config } = await loadConfig(world, { dataFolder: flags.data, identityFile: flags.identity });
    const opened = await world.openKeys(config, config.identityFile);
    try {
      return await use(opened);
    } finally {
      await opened.close();
    }
  };

  keys
    .command("issue")
    .description("Issues a key and prints it, this once")
    .option("--tenant <name>", "whose runs it makes and sees", "default")
    .option("--tier <name>", "tier that policies name; default: the tenant's in the list of tenants, or free")
    .option(
      "--scopes <names>",
      `by comma: ${SCOPE_NAMES.join(", ")}; invoke:<tool> for one tool`,
      "invoke,evidence",
    )
    .option("--label <text>", "what you call it", "cli")
    .option("--expires <span>", "time until it is refused, such as 12h or 30d; default: never")
    .option("--data <folder>", "the gateway's data folder")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `\nScopes:\n${alignColumns(SCOPES.map(({ name, means }) => [name, means])).join("\n")}\n\nExample:\n  writ keys issue --tenant acme --tier pro --scopes invoke:weather,evidence --expires 30d`,
    )
    .action(async (flags: IssueFlags) => {
      const { text, row } = await withKeys(flags, (opened) => {
        const tier = tierOf(flags, opened.tenants);
        return opened.issue(readIssue({ ...flags, tier }, world.runtime.clock.nowMs()));
      });
      if (flags.json) printJson(world, { key: text, ...describeKey(row) });
      else {
        // The key alone on standard output, so that a script can take it.
        world.runtime.print(text);
        world.runtime.printError(
          `${row.id} for tenant ${row.tenant}, tier ${row.tier}; the key is kept nowhere, and its record is signed once a gateway runs`,
        );
      }
    });

  keys
    .command("list")
    .description("Lists the keys ever issued, oldest first; only their hashes are kept")
    .option("--tenant <name>", "of this tenant alone")
    .option("--limit <number>", "how many at most, 1 to 1000", "100")
    .option("--after <id>", "only those that were issued after this one")
    .option("--data <folder>", "the gateway's data folder")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  writ keys list --tenant acme --json")
    .action(async (flags: ListFlags) => {
      const { rows, next } = pageOf(await withKeys(flags, (opened) => opened.list()), flags);
      if (flags.json) printJson(world, { keys: rows.map(describeKey), ...(next && { next }) });
      else {
        printRows(world, rows);
        if (next !== undefined) world.runtime.printError(`more with: writ keys list --after ${next}`);
      }
    });

  keys
    .command("revoke")
    .description("Revokes a key; it is refused from then on")
    .argument("<id>", "public id, such as key_7f3a91c2")
    .option("--data <folder>", "the gateway's data folder")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  writ keys revoke key_7f3a91c2")
    .action(async (id: string, flags: KeyFlags) => {
      const revoked = await withKeys(flags, (opened) => opened.revoke(id));
      if (flags.json) printJson(world, { id, revoked });
      else if (revoked) world.runtime.print(`revoked ${id}`);
      else world.runtime.printError(`writ: Cannot revoke ${JSON.stringify(id)}: there is no such key`);
      if (!revoked) end(EXIT.refused);
    });

  addKeysInit(keys, { world, end });

  addKeysRotate(keys, world);
}

/** @throws {UsageError} for a tenant that is not in the list, and for another tier than it has there */
function tierOf({ tenant, tier }: IssueFlags, tenants: Keys["tenants"]): string {
  if (tenants === undefined) return tier ?? "free";
  const listed = tenants.get(tenant);
  if (listed === undefined) {
    throw new UsageError(`Cannot issue key: tenant ${JSON.stringify(tenant)} is not in the list of tenants`, [
      "add it to tenants in identity.yaml first; a key of an unlisted tenant is refused",
    ]);
  }
  if (tier === undefined || tier === listed.tier) return listed.tier;
  throw new UsageError(
    `Cannot issue key: --tier is ${JSON.stringify(tier)}, and tenant ${tenant} is listed with ${listed.tier}`,
  );
}

function readIssue(
  flags: IssueFlags & { readonly tier: string },
  nowMs: number,
): Parameters<Keys["issue"]>[0] {
  for (const name of ["tenant", "tier"] as const) {
    if (!NAME.test(flags[name]) || flags[name].length > 64) {
      throw new UsageError(
        `Cannot issue key: --${name} is ${JSON.stringify(flags[name])}, wanted lower-case words joined by hyphens`,
      );
    }
  }
  const wanted = flags.scopes.split(",").map((word) => word.trim());
  const scopes = [...new Set(wanted)].filter(isScope);
  const strange = wanted.filter((word) => !isScope(word));
  if (strange.length > 0) {
    throw new UsageError(
      `Cannot issue key: no scope ${JSON.stringify(strange[0])}, wanted ${SCOPE_NAMES.join(", ")} or invoke:<tool>`,
    );
  }
  const { tenant, tier, label, expires } = flags;
  const issue = { tenant, tier, scopes, label };
  return expires === undefined
    ? issue
    : { ...issue, expiresAtMs: nowMs + readSpan(expires, "Cannot issue key: --expires") };
}

/** @throws {UsageError} when the limit is none, or there is no key to go on after */
function pageOf(
  all: readonly KeyRow[],
  { tenant, limit, after }: ListFlags,
): { readonly rows: readonly KeyRow[]; readonly next?: string } {
  if (!/^([1-9][0-9]{0,2}|1000)$/.test(limit))
    throw new UsageError(`Cannot list keys: --limit is ${JSON.stringify(limit)}, wanted 1 to 1000`);
  const start = after === undefined ? 0 : all.findIndex(({ id }) => id === after) + 1;
  if (after !== undefined && start === 0)
    throw new UsageError(`Cannot list keys: there is no key ${JSON.stringify(after)} to go on after`);
  const rest = all.slice(start).filter((row) => tenant === undefined || row.tenant === tenant);
  const rows = rest.slice(0, Number(limit));
  const last = rows.at(-1);
  return rest.length > rows.length && last !== undefined ? { rows, next: last.id } : { rows };
}

function printRows({ runtime }: CliWorld, rows: readonly KeyRow[]): void {
  if (rows.length === 0) {
    runtime.print("no keys; issue one with: writ keys issue");
    return;
  }
  const nowMs = runtime.clock.nowMs();
  const head = ["id", "tenant", "tier", "scopes", "state", "created", "label"];
  const lines = rows.map((row) => [
    row.id,
    printable(row.tenant),
    printable(row.tier),
    row.scopes.join(","),
    state(row, nowMs),
    instant(row.createdAtMs).slice(0, 10),
    printable(row.label),
  ]);
  for (const line of alignColumns([head, ...lines])) runtime.print(line);
}

function state({ revokedAtMs, expiresAtMs }: KeyRow, nowMs: number): string {
  if (revokedAtMs !== undefined) return `revoked ${instant(revokedAtMs).slice(0, 10)}`;
  if (expiresAtMs === undefined) return "live";
  return `${expiresAtMs <= nowMs ? "expired" : "live until"} ${instant(expiresAtMs).slice(0, 10)}`;
}
