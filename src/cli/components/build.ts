/** `writ build`: tools from their sources, and the offer from `wit/`. Runs what it builds: see the toolchain room. */
import type { Command } from "commander";
import type { CommandContext } from "../context.ts";
import { alignColumns, printJson } from "../output.ts";
import type { CliWorld, Toolchain } from "../world.ts";

interface BuildFlags {
  readonly tools?: boolean;
  readonly wit?: boolean;
  readonly out?: string;
  readonly quietIfFresh?: boolean;
  readonly json?: boolean;
}

/** Adds the command. */
export function addBuild(program: Command, { world }: CommandContext): void {
  program
    .command("build")
    .description("Builds tools into components; what has not changed is not built again")
    .argument("[folder...]", "tools' folders; none = the project's own tools and its offer")
    .option("--tools", "the project's tools, tools/*")
    .option("--wit", "the offer, wit/offer.wasm")
    .option("--out <folder>", "where built tools go (default: .writ/tools of the project)")
    .option("--quiet-if-fresh", "print nothing about what has not changed")
    .option("--json", "print what was built as JSON; progress goes to standard error")
    .addHelpText("after", "\nExample:\n  writ build ./my-tool --out ./.writ/tools")
    .action(async (folders: readonly string[], flags: BuildFlags) => {
      await build(world, folders, flags);
    });
}

async function build(world: CliWorld, folders: readonly string[], flags: BuildFlags): Promise<void> {
  const { runtime, root } = world;
  const tell = flags.json ? runtime.printError : runtime.print;
  const say = (line: string) => {
    // The toolchain's word for a tool that did not have to be built.
    if (!(flags.quietIfFresh && / unchanged,/.test(line))) tell(line);
  };
  const whole = folders.length === 0 && !flags.tools && !flags.wit;
  const toolchain = await world.openToolchain();
  const offer = flags.wit || whole ? await writeOffer(toolchain, root, say) : undefined;
  const options = {
    root,
    onProgress: say,
    ...(flags.out === undefined ? {} : { cacheDir: flags.out }),
  };
  const built = flags.tools || whole ? await toolchain.buildTools(options) : [];
  for (const [index, folder] of folders.entries()) {
    if (folders.length > 1) say(`[${index + 1}/${folders.length}] ${folder}`);
    built.push(await toolchain.buildTool(folder, options));
  }
  if (flags.json) {
    printJson(world, { offer: offer ?? null, tools: built });
    return;
  }
  if (flags.quietIfFresh) return;
  const rows = built.map(({ name, digest, path }) => [name, digest.slice(0, 19), path]);
  for (const line of alignColumns(rows)) runtime.print(line);
}

async function writeOffer(
  toolchain: Toolchain,
  root: string,
  say: (line: string) => void,
): Promise<{ readonly path: string; readonly written: boolean }> {
  const offer = await toolchain.writeOffer(root);
  say(offer.written ? `offer: written to ${offer.path}` : `offer: unchanged, ${offer.path}`);
  return offer;
}
