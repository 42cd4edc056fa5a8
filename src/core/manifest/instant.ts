/** Time as it is signed: RFC 3339 text. Read by hand, because core has no `Date`. */

/**
 * Turns an instant into a number.
 *
 * @param text `YYYY-MM-DDTHH:MM:SS.mmmZ`, already known to be a real date
 * @returns ms since the Unix epoch, whole; NaN when the text has another form, which no comparison accepts
 * @example
 * ```ts
 * parseInstant("1970-01-02T00:00:00.001Z"); // 86400001
 * ```
 */
export function parseInstant(text: string): number {
  const parts = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{3})Z$/.exec(text);
  if (parts === null) return Number.NaN;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, ms = 0] = parts.slice(1).map(Number);
  return (((daysSinceEpoch(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000 + ms;
}

/** Proleptic Gregorian. Years are counted from March, so that the leap day comes last. */
function daysSinceEpoch(year: number, month: number, day: number): number {
  const marchYear = month <= 2 ? year - 1 : year;
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1;
  const leapDays = Math.floor(marchYear / 4) - Math.floor(marchYear / 100) + Math.floor(marchYear / 400);
  return marchYear * 365 + leapDays + dayOfYear - 719468;
}
