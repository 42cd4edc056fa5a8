/**
 * `writ inspect`: what a component is, what it would reach, and whether it can run here. For the operator who was
 * handed a binary, and for the vendor whose binary is refused.
 */
import type { Command } from "commander";
import { formatDefinition, formatFunction, type WitInterface } from "../../core/component/index.ts";
import type { ComponentImport, Intake } from "../../registry/index.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit.ts";
import {
  alignColumns,
  createPaint,
  formatBytes,
  formatCount,
  type Paint,
  printable,
  printJson,
} from "../output.ts";
import { openComponent } from "./component-file.ts";
import { judge, type Verdict } from "./verdict.ts";

interface InspectFlags {
  readonly schema?: boolean;
  readonly json?: boolean;
}

interface Inspected {
  readonly path: string;
  readonly byteLength: number;
  readonly intake: Intake;
  readonly verdict: Verdict;
}

/** Adds the command. */
export function addInspect(program: Command, { world, end }: CommandContext): void {
  program
    .command("inspect")
    .description("Shows what a component imports and exports, and which clause of a policy unlocks it")
    .argument("<component>", "a component's binary, or - for standard input")
    .option("--schema", "print the JSON Schemas of every function's input and output")
    .option("--json", "print JSON, schemas included")
    .addHelpText(
      "after",
      "\nExit code 0: it can run under a policy; 2: refused.\n\nExample:\n  writ inspect weather.wasm",
    )
    .action(async (path: string, flags: InspectFlags) => {
      const { bytes, intake } = await openComponent(world, path);
      const inspected = { path, byteLength: bytes.byteLength, intake, verdict: judge(intake) };
      if (flags.json) printJson(world, describe(inspected));
      else for (const line of report(inspected, createPaint(world), flags)) world.runtime.print(line);
      if (!inspected.verdict.runs) end(EXIT.refused);
    });
}

function describe({ path, byteLength, intake, verdict }: Inspected): object {
  const { description, digest, functions, imports, needs, uncallable } = intake;
  return {
    path,
    byteLength,
    digest: `sha256:${digest}`,
    verdict,
    needs,
    producers: description.producers,
    coreModules: description.coreModules.map(({ byteLength: bytes }) => ({ byteLength: bytes })),
    imports: imports.map((it) => ({
      name: it.name,
      state: it.state,
      capability: it.capability?.word ?? null,
      risk: it.capability?.risk ?? "R5",
      clause: it.capability?.clause ?? null,
      sentence: it.capability?.sentence ?? null,
      reason: it.reason ?? null,
    })),
    functions: functions.map(({ key, interface: name, function: func, inputSchema, outputSchema }) => ({
      name: key,
      interface: name,
      signature: formatFunction(func),
      inputSchema,
      outputSchema,
    })),
    uncallable,
  };
}

function report(inspected: Inspected, paint: Paint, flags: InspectFlags): readonly string[] {
  const { intake, verdict } = inspected;
  return [
    ...identityLines(inspected, paint),
    "",
    ...importLines(intake.imports, paint),
    "",
    ...exportLines(intake, paint),
    ...(flags.schema ? schemaLines(intake, paint) : []),
    "",
    `${verdict.runs ? paint.good("runs") : paint.bad("refused")}  ${printable(verdict.sentence)}`,
    ...verdict.notes.map((note) => `      ${printable(note)}`),
  ];
}

function identityLines({ path, byteLength, intake }: Inspected, paint: Paint): readonly string[] {
  const { coreModules, producers } = intake.description;
  const core = coreModules.reduce((sum, module) => sum + module.byteLength, 0);
  const claims = producers.map(({ field, name, version }) => printable(`${field} ${name} ${version}`.trim()));
  const rows = [
    ["size", formatBytes(byteLength)],
    ["digest", `sha256:${intake.digest}`],
    ["core", `${formatCount(coreModules.length, "module")}, ${formatBytes(core)}`],
    ...claims.map((claim, index) => [index === 0 ? "made by" : "", claim]),
  ];
  return [paint.bold(printable(path)), ...alignColumns(rows)];
}

function importLines(imports: readonly ComponentImport[], paint: Paint): readonly string[] {
  if (imports.length === 0) return [paint.bold("imports  none: it reaches nothing")];
  const rows = imports.map((it) => [
    printable(it.name),
    it.capability?.word ?? "unknown",
    it.capability?.risk ?? "R5",
    unlockedBy(it),
  ]);
  const words = new Map(
    imports.flatMap(({ capability: row }) => (row ? [[row.word, row.sentence] as const] : [])),
  );
  return [
    paint.bold(`imports  ${imports.length}`),
    ...alignColumns([["interface", "capability", "risk", "unlocked by"], ...rows]),
    "",
    paint.bold("capabilities"),
    ...alignColumns([...words]),
  ];
}

function unlockedBy(it: ComponentImport): string {
  if (it.state === "refused") return `nothing, refused: ${printable(it.reason ?? "it is not offered")}`;
  if (it.state === "stub") return "nothing: every call is refused";
  if (it.capability?.clause) return it.capability.clause;
  return it.capability?.word === "io" ? "-" : "every policy";
}

function exportLines({ description, functions, uncallable }: Intake, paint: Paint): readonly string[] {
  const { exports } = description;
  const scopes = [
    ...(exports.functions.length > 0 ? [{ name: "the world itself", ...exports }] : []),
    ...exports.interfaces,
  ];
  const obstacles = new Map(uncallable.map(({ key, reason }) => [key, reason]));
  const count = functions.length + uncallable.length;
  return [
    paint.bold(`exports  ${formatCount(count, "function")}`),
    ...scopes.flatMap((scope) => [
      `  ${printable(scope.name)}`,
      ...scope.types.map((named) => paint.dim(`    ${formatDefinition(named)}`)),
      ...scope.functions.flatMap((func) => {
        const reason = obstacles.get(keyOf(scope, func.name));
        const line = `    ${formatFunction(func)}`;
        return reason === undefined ? [line] : [paint.dim(line), `      not callable: ${printable(reason)}`];
      }),
    ]),
  ];
}

/** As `registry` names functions. */
function keyOf(scope: { readonly name: string } & Partial<Pick<WitInterface, "id">>, name: string): string {
  return scope.id === undefined ? name : `${scope.id?.name ?? scope.name}/${name}`;
}

function schemaLines({ functions }: Intake, paint: Paint): readonly string[] {
  return functions.flatMap(({ key, inputSchema, outputSchema }) => [
    "",
    paint.bold(key),
    ...block("input", inputSchema),
    ...block("output", outputSchema),
  ]);
}

function block(title: string, schema: object): readonly string[] {
  return `${title}: ${JSON.stringify(schema, null, 2)}`.split("\n").map((line) => `  ${line}`);
}
