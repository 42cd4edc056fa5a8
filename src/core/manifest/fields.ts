/**
 * Every member of the predicate as a row for people: pages, tables, terminals. Read out of the JSON Schema, so that no
 * explanation speaks of another document than the one that is checked.
 */
import { z } from "zod";
import { predicateSchema } from "./schema.ts";

/** One member of the predicate. */
export interface PredicateField {
  /** Where it is: `budget.fuel.used`, `events[].seq`, `outcome (trapped).reason`. */
  readonly path: string;
  /** In JSON's words: `string`, `integer or null`, `array of object`. */
  readonly type: string;
  /** Whether it is in every manifest, or in every object that it is a member of. */
  readonly required: boolean;
  readonly meaning: string;
}

/** What of a JSON Schema is read here; the rest is for validators. */
interface SchemaNode {
  readonly type?: string | readonly string[] | undefined;
  readonly description?: string | undefined;
  readonly const?: unknown;
  readonly enum?: readonly unknown[] | undefined;
  readonly properties?: Readonly<Record<string, SchemaNode>> | undefined;
  readonly required?: readonly string[] | undefined;
  readonly items?: SchemaNode | undefined;
  readonly anyOf?: readonly SchemaNode[] | undefined;
  readonly oneOf?: readonly SchemaNode[] | undefined;
}

const schemaNode: z.ZodType<SchemaNode> = z.looseObject({
  type: z.union([z.string(), z.array(z.string())]).optional(),
  description: z.string().optional(),
  const: z.unknown().optional(),
  enum: z.array(z.unknown()).optional(),
  required: z.array(z.string()).optional(),
  get properties() {
    return z.record(z.string(), schemaNode).optional();
  },
  get items() {
    return schemaNode.optional();
  },
  get anyOf() {
    return z.array(schemaNode).optional();
  },
  get oneOf() {
    return z.array(schemaNode).optional();
  },
});

/** @returns every member, in the schema's order, each followed by its own members */
export function predicateFields(): readonly PredicateField[] {
  return membersOf(schemaNode.parse(predicateSchema()), "");
}

function membersOf(node: SchemaNode, prefix: string): readonly PredicateField[] {
  const own = Object.entries(node.properties ?? {}).flatMap(([name, member]): PredicateField[] => {
    const path = `${prefix}${name}`;
    const meaning = member.description ?? "";
    const required = node.required?.includes(name) ?? false;
    return [{ path, type: typeOf(member), required, meaning }, ...membersOf(member, `${path}.`)];
  });
  const here = prefix.replace(/\.$/, "");
  const inItems = node.items === undefined ? [] : membersOf(node.items, `${here}[].`);
  const inForms = [...(node.anyOf ?? []), ...(node.oneOf ?? [])].flatMap((form) => {
    const kind = form.properties?.["kind"]?.const;
    if (typeof kind !== "string") return membersOf(form, prefix);
    const row = {
      path: `${here} (${kind})`,
      type: "object",
      required: false,
      meaning: form.description ?? "",
    };
    // The kind is said by the row itself.
    const rest = membersOf(form, `${here} (${kind}).`).filter(({ path }) => !path.endsWith(").kind"));
    return [row, ...rest];
  });
  return [...own, ...inItems, ...inForms];
}

function typeOf(node: SchemaNode): string {
  if (node.const !== undefined) return JSON.stringify(node.const);
  if (node.enum !== undefined) return node.enum.map((word) => JSON.stringify(word)).join(" or ");
  if (node.anyOf !== undefined) return [...new Set(node.anyOf.map(typeOf))].join(" or ");
  if (node.oneOf !== undefined) return "object";
  if (node.items !== undefined) return `array of ${typeOf(node.items)}`;
  if (node.type === undefined) return "any JSON";
  return typeof node.type === "string" ? node.type : node.type.join(" or ");
}
