/** A chargeback in a spreadsheet: nothing that a caller named becomes a formula or another column. */
import { expect, it } from "vitest";
import { chargebackCsv } from "../../src/accounts/index.ts";

const line = (task: string) => ({
  keys: { task },
  ...{ runs: 1, bills: 0, fuel: 2, egressBytes: 3, wallMs: 4, cost: "0.000000001", billed: "0.000000000" },
});
const page = (...tasks: string[]) => ({
  ...{ currency: "EUR", by: ["task"] as const, from: "2026-11-01", until: "2026-12-01" },
  lines: tasks.map(line),
});

it("chargebackCsv() quotes what has commas or quotes, and lets nothing begin a formula", () => {
  const rows = chargebackCsv(page("plain", 'a,"b"', "=1+1", "@SUM", "-x"), false).split("\r\n");
  expect(rows.map((row) => row.slice(0, row.indexOf(",1,0,2,3,4,")))).toEqual([
    "plain",
    '"a,""b"""',
    "'=1+1",
    "'@SUM",
    "'-x",
    "",
  ]);
  expect(rows[0]).toBe("plain,1,0,2,3,4,0.000000001,0.000000000,EUR");
});

it("chargebackCsv() names its columns on the first page alone", () => {
  const head = "task,runs,bills,fuel,egress_bytes,wall_ms,cost,billed,currency\r\n";
  expect(chargebackCsv(page())).toBe(head);
  expect(chargebackCsv(page(), false)).toBe("");
});
