/** What a server must be set to so that what it acknowledged is there after a crash. Asked at the start, and again and again. */
import type { PostgresServer } from "../../ports/index.ts";
import { rowsOf } from "./statements.ts";
import { withConnection } from "./transaction.ts";

/** Oldest server that has all we ask for and is still kept. */
const OLDEST_SERVER = 140_000;

/** What of the settings is wanted, with the values that will do. */
const WANTED: readonly { readonly name: string; readonly values: readonly string[]; readonly why: string }[] =
  [
    { name: "fsync", values: ["on"], why: "without it a crash loses runs that were answered" },
    { name: "full_page_writes", values: ["on"], why: "without it a crash can tear pages" },
    {
      name: "synchronous_commit",
      values: ["on", "remote_apply"],
      why: "anything less acknowledges what is not yet on disk, here or on the standby",
    },
    { name: "server_encoding", values: ["UTF8"], why: "texts are kept as they are" },
    { name: "transaction_read_only", values: ["off"], why: "a standby can not seal" },
  ];

/** One row: every wanted setting as this session has it. */
const SELECT_SETTINGS = `SELECT ${WANTED.map(({ name }) => `current_setting('${name}') AS ${name}`).join(", ")},
  current_setting('server_version_num')::bigint AS server_version_num`;

/**
 * @param probe writes as a run would, in the same round trip
 * @throws {Error} when the server's word is not worth enough, naming the setting
 */
export async function requireDurability(
  server: PostgresServer,
  probe?: { readonly text: string },
): Promise<void> {
  await withConnection(server, async (connection) => {
    const [found] = await connection.send([
      { text: SELECT_SETTINGS },
      ...(probe === undefined ? [] : [probe]),
    ]);
    const settings = new Map(Object.entries(rowsOf<object>(found)[0] ?? {}));
    for (const { name, values, why } of WANTED) {
      const value = String(settings.get(name));
      if (values.includes(value)) continue;
      throw new Error(`Cannot use PostgreSQL: its ${name} is ${value}, want ${values.join(" or ")}: ${why}`);
    }
    if (Number(settings.get("server_version_num")) < OLDEST_SERVER)
      throw new Error("Cannot use PostgreSQL: its version is older than 14");
  });
}
