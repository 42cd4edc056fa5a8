#!/usr/bin/env node
/**
 * The `writ` command of a clone: finds the pinned runtime, has it installed when it is missing, and hands over.
 * Plain JavaScript, because the Node that npx starts may be too old for the sources. `WRIT_RUNTIME=deno` uses Deno.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { main, root, runtimePath, SetupError, setUp } from "./setup.mjs";

/** Oldest Node that runs the sources unbuilt. */
const OLDEST_NODE = 24;

await main(async () => {
  const args = process.argv.slice(2);
  const name = process.env.WRIT_RUNTIME || "node";
  if (name !== "node" && name !== "deno") {
    throw new SetupError(`Cannot use WRIT_RUNTIME "${name}", wanted node or deno`);
  }
  const command = await findRuntime(name, { tools: args[0] === "serve" });
  const entry = join(root, "src", "main.ts");
  await handOver(command, name === "deno" ? ["run", "-A", entry, ...args] : [entry, ...args]);
});

/** The pinned runtime; where its package can not be installed, a Node that is new enough will do. */
async function findRuntime(name, wanted) {
  try {
    await setUp(wanted);
    return runtimePath(name);
  } catch (error) {
    const major = Number(process.versions.node.split(".")[0]);
    if (name === "node" && major >= OLDEST_NODE && error instanceof SetupError) {
      process.stderr.write(`writ: ${error.message}\nwrit: going on with Node ${process.versions.node}\n`);
      return process.execPath;
    }
    throw error;
  }
}

/** Runs it in our place: same terminal, same signals, same end. */
function handOver(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: "inherit", shell: command.endsWith(".cmd") });
    const forward = (signal) => child.kill(signal);
    for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, forward);
    // A terminal's Ctrl+C reaches the child by itself; sent a second time it would cut its way out short.
    process.on("SIGINT", process.stdin.isTTY ? () => undefined : forward);
    child.once("error", (error) => reject(new SetupError(`Cannot start ${command}: ${error.message}`)));
    child.once("close", (code, signal) => {
      for (const name of ["SIGTERM", "SIGHUP", "SIGINT"]) process.removeAllListeners(name);
      if (signal !== null) process.kill(process.pid, signal);
      process.exitCode = code ?? 1;
      resolve(undefined);
    });
  });
}
