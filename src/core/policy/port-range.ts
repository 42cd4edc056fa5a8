/** Which ports a rule is about: one, or a range written `8000-8999`; `*` when read means all of them. */

/** A port, or a range of them with its ends, as `8000-8999`. */
export type Ports = number | PortRange;

/** `<first>-<last>`, first below last. */
export type PortRange = `${number}-${number}`;

/** Every port, in normal form. */
export const EVERY_PORT: PortRange = "1-65535";

/** What {@link parsePorts} wants, as a phrase for messages. */
export const PORTS = 'a port from 1 to 65535, a range such as 8000-8999, or "*"';

/**
 * Reads a port, a range or `*`.
 *
 * @param written as in the document
 * @returns the normal form; undefined when it is none of these
 */
export function parsePorts(written: number | string): Ports | undefined {
  if (written === "*") return EVERY_PORT;
  if (typeof written === "number") return isPort(written) ? written : undefined;
  if (!/^[1-9][0-9]{0,4}-[1-9][0-9]{0,4}$/.test(written)) return undefined;
  const { first, last } = endsOf(written as PortRange); // the form was checked above
  return isPort(first) && isPort(last) && first < last ? `${first}-${last}` : undefined;
}

/** Whether a port is one of these. */
export function portMatches(ports: Ports, port: number): boolean {
  const { first, last } = endsOf(ports);
  return port >= first && port <= last;
}

/** @returns exactly the ports that are in both; undefined when there are none */
export function intersectPorts(a: Ports, b: Ports): Ports | undefined {
  const [left, right] = [endsOf(a), endsOf(b)];
  const first = Math.max(left.first, right.first);
  const last = Math.min(left.last, right.last);
  if (first > last) return undefined;
  return first === last ? first : `${first}-${last}`;
}

function endsOf(ports: Ports): { readonly first: number; readonly last: number } {
  if (typeof ports === "number") return { first: ports, last: ports };
  const [first = "", last = ""] = ports.split("-");
  return { first: Number(first), last: Number(last) };
}

function isPort(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= 65535;
}
