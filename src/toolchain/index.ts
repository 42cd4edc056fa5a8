/**
 * The toolchain: turns a tool's folder (source, WIT world, policy) into a component and the few facts the
 * gateway reads beside it, and turns `wit/` into `wit/offer.wasm`.
 *
 * It runs at build time and never while serving. It executes its own input: componentizing JavaScript runs the
 * source's top level in a WebAssembly engine of the packages named in `engines.ts`. So build only what you would
 * run `npm install` on.
 */
export { type BuildOptions, type BuildToolsOptions, type BuiltTool, buildTool, buildTools } from "./build.ts";
export { type EngineName, engineNames } from "./engines.ts";
export { buildOffer, writeOffer } from "./offer.ts";
export { type ToolFacts, toolFactsSchema } from "./tool-facts.ts";
export { type ToolSource, toolYamlSchema } from "./tool-source.ts";
