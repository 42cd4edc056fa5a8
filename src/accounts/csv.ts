/** A chargeback as CSV (RFC 4180), for spreadsheets. */
import type { ChargebackPage } from "./books.ts";

const SUMS = ["runs", "bills", "fuel", "egressBytes", "wallMs", "cost", "billed"] as const;
const HEADS = ["runs", "bills", "fuel", "egress_bytes", "wall_ms", "cost", "billed"] as const;

/**
 * @param withHead false for the pages after the first
 * @returns lines that end with CRLF; amounts are in the currency of the last column
 */
export function chargebackCsv({ by, currency, lines }: ChargebackPage, withHead = true): string {
  const hasDigest = by.includes("run");
  const head = [...by, ...HEADS, "currency", ...(hasDigest ? ["digest"] : [])];
  const rows = lines.map((line) => [
    ...by.map((key) => line.keys[key] ?? ""),
    ...SUMS.map((name) => String(line[name])),
    currency,
    ...(hasDigest ? [line.digest ?? ""] : []),
  ]);
  return [...(withHead ? [head] : []), ...rows].map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

/** A task's name is the caller's: a spreadsheet must take none for a formula. */
function cell(text: string): string {
  const plain = /^[=+\-@\t]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}
