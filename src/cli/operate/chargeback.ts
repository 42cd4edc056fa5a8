/** `writ chargeback`: what runs cost and tasks were billed, of every tenant, for whoever pays for it. */
import type { Command } from "commander";
import { type ChargebackPage, type ChargebackRequest, chargebackCsv } from "../../accounts/index.ts";
import { CHARGEBACK_KEYS, type ChargebackKey } from "../../core/budget/index.ts";
import { TASK_CLASSES } from "../../core/policy/index.ts";
import { loadConfig } from "../config.ts";
import type { CommandContext } from "../context.ts";
import { alignColumns, formatCount, printable, printJson } from "../output.ts";
import { UsageError } from "../usage-error.ts";
import type { CliWorld } from "../world.ts";

interface Flags {
  readonly by: string;
  readonly from?: string;
  readonly until?: string;
  readonly tenant?: string;
  readonly purpose?: string;
  readonly tool?: string;
  readonly class?: string;
  readonly task?: string;
  readonly data?: string;
  readonly prices?: string;
  readonly csv?: boolean;
  readonly json?: boolean;
}

const PAGE = 500;
const DAY = /^\d{4}-\d{2}-\d{2}$/;

/** Adds the command. */
export function addChargeback(program: Command, { world }: CommandContext): void {
  program
    .command("chargeback")
    .description("What runs cost and tasks were billed, summed by what you ask for")
    .option("--by <keys>", `some of ${CHARGEBACK_KEYS.join(", ")}, by comma`, "tenant,tool,class")
    .option("--from <day>", "first day, UTC (default: the first of this month)")
    .option("--until <day>", "first day that is not in it (default: tomorrow)")
    .option("--tenant <name>", "only this tenant")
    .option("--purpose <name>", "only this purpose")
    .option("--tool <name>", "only this tool")
    .option("--class <name>", "only exploratory, or customer_visible")
    .option("--task <id>", "only this task")
    .option("--data <folder>", "the gateway's data folder (WRIT_DATA)")
    .option("--prices <file>", "whose currency and prices (WRIT_PRICES)")
    .option("--csv", "print CSV")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      "\nCosts are at the prices of the time when each run ended. --by run shows each run with the digest that its\n" +
        "manifest signs; writ explain and writ verify go on from there.\n\n" +
        "Example:\n  writ chargeback --by tenant,purpose,month --from 2026-10-01 --csv",
    )
    .action((flags: Flags) => show(world, flags));
}

async function show(world: CliWorld, flags: Flags): Promise<void> {
  const request = readRequest(flags);
  const { config } = await loadConfig(world, { dataFolder: flags.data, pricesFile: flags.prices });
  const books = await world.openBooks(config, config.pricesFile);
  try {
    let page = await books.chargeback(request);
    const lines = [...page.lines];
    while (page.next !== undefined) {
      page = await books.chargeback({ ...request, after: page.next });
      lines.push(...page.lines);
    }
    const { currency, by, from, until } = page;
    const all: ChargebackPage = { currency, by, from, until, lines };
    if (flags.json) printJson(world, all);
    else if (flags.csv) world.runtime.print(chargebackCsv(all).replace(/\r\n$/, ""));
    else for (const line of describe(all)) world.runtime.print(printable(line));
  } finally {
    await books.close();
  }
}

function describe({ currency, by, from, until, lines }: ChargebackPage): readonly string[] {
  const head = [
    ...by,
    "runs",
    "bills",
    "fuel",
    "egress",
    "seconds",
    `cost ${currency}`,
    `billed ${currency}`,
  ];
  const rows = lines.map((line) => [
    ...by.map((key) => line.keys[key] || "-"),
    ...[line.runs, line.bills, line.fuel, line.egressBytes, line.wallMs / 1000].map(String),
    line.cost,
    line.billed,
  ]);
  const count = formatCount(lines.length, "line");
  return [...alignColumns([head, ...rows]), `${count}, from ${from} to before ${until}, UTC`];
}

function readRequest(flags: Flags): ChargebackRequest {
  const { from, until, tenant, purpose, tool, task, class: of } = flags;
  for (const [name, day] of Object.entries({ from, until })) {
    if (day === undefined || (DAY.test(day) && !Number.isNaN(Date.parse(day)))) continue;
    throw new UsageError(`Cannot read --${name} ${JSON.stringify(day)}: wanted a day such as 2026-11-01`);
  }
  if (of !== undefined && !TASK_CLASSES.some((known) => known === of))
    throw new UsageError(`Cannot read --class ${JSON.stringify(of)}: wanted ${TASK_CLASSES.join(" or ")}`);
  const where = Object.entries({ tenant, purpose, tool, class: of, task }).filter(
    ([, value]) => value !== undefined,
  );
  return {
    by: readKeys(flags.by),
    where: Object.fromEntries(where),
    limit: PAGE,
    ...(from === undefined ? {} : { from }),
    ...(until === undefined ? {} : { until }),
  };
}

function readKeys(text: string): readonly ChargebackKey[] {
  return [...new Set(text.split(","))].map((word) => {
    const key = CHARGEBACK_KEYS.find((known) => known === word.trim());
    if (key !== undefined) return key;
    throw new UsageError(
      `Cannot sum by ${JSON.stringify(word)}: wanted some of ${CHARGEBACK_KEYS.join(", ")}`,
    );
  });
}
