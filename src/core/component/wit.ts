/**
 * What a component says about itself, as plain frozen data: no cycles, no bigint, no class, so that it can be
 * stored, sent over a pipe and written into a manifest as it stands. Made by `decode`, read by everyone else.
 */
import type { FunctionKind, InterfaceId } from "./names.ts";

/** Types without parts. */
export type PrimitiveKind =
  | "bool"
  | "u8"
  | "u16"
  | "u32"
  | "u64"
  | "s8"
  | "s16"
  | "s32"
  | "s64"
  | "f32"
  | "f64"
  | "char"
  | "string";

/** What every type may carry: the name under which its interface exports it. Equality ignores it. */
interface Named {
  readonly name?: string;
}

/** A type with a label: a field of a record or a parameter of a function. */
export interface WitField {
  readonly name: string;
  readonly type: WitType;
}

/** A case of a variant; without `type` it has no payload. */
export interface WitCase {
  readonly name: string;
  readonly type?: WitType;
}

/** Which resource a handle is of. Without `interface` the resource belongs to the world itself. */
export interface ResourceRef {
  readonly resource: string;
  /** Full name of the interface that first defines it: `wasi:io/streams@0.2.6`. */
  readonly interface?: string;
}

/** A WIT value type, fully resolved. */
export type WitType = Named &
  (
    | { readonly kind: PrimitiveKind }
    | { readonly kind: "record"; readonly fields: readonly WitField[] }
    | { readonly kind: "variant"; readonly cases: readonly WitCase[] }
    | { readonly kind: "list"; readonly element: WitType }
    | { readonly kind: "tuple"; readonly items: readonly WitType[] }
    | { readonly kind: "flags"; readonly flags: readonly string[] }
    | { readonly kind: "enum"; readonly cases: readonly string[] }
    | { readonly kind: "option"; readonly some: WitType }
    | { readonly kind: "result"; readonly ok?: WitType; readonly err?: WitType }
    | ({ readonly kind: "own" | "borrow" } & ResourceRef)
    | { readonly kind: "stream" | "future"; readonly element?: WitType }
  );

/** A function of an interface or of the world. */
export interface WitFunction {
  /** The name in the binary, unique in its interface: `[method]output-stream.write`, `forecast`. */
  readonly name: string;
  readonly kind: FunctionKind;
  /** The resource of a method, static function or constructor. */
  readonly resource?: string;
  readonly params: readonly WitField[];
  readonly result?: WitType;
  readonly async: boolean;
}

/** A resource type of an interface; `alias` when it only renames a resource defined elsewhere or earlier. */
export interface WitResource {
  readonly name: string;
  readonly alias?: ResourceRef;
}

/** A value type that an interface exports under a name. */
export interface WitNamedType {
  readonly name: string;
  readonly type: WitType;
}

/** The functions and types that belong together under one name, or to the world itself. */
export interface WitScope {
  readonly functions: readonly WitFunction[];
  readonly resources: readonly WitResource[];
  readonly types: readonly WitNamedType[];
}

/** An imported or exported interface. */
export interface WitInterface extends WitScope {
  /** Full name: `wasi:io/streams@0.2.6`, or a plain one for an interface written in the world itself. */
  readonly name: string;
  /** The parts of a package interface's name; `null` for a plain name. */
  readonly id: InterfaceId | null;
}

/** One side of the world: what is imported, or what is exported. Beside interfaces, the world's own items. */
export interface WitSide extends WitScope {
  readonly interfaces: readonly WitInterface[];
}

/** An import of a core module. */
export interface CoreImport {
  readonly module: string;
  readonly name: string;
  readonly kind: CoreKind;
  /** Of a function: its type, `i32 i64 -> i32`. */
  readonly signature?: string;
}

/** An export of a core module. */
export interface CoreExport {
  readonly name: string;
  readonly kind: CoreKind;
  /** As an import's. */
  readonly signature?: string;
}

/** The sorts of core WebAssembly that cross a module's border. */
export type CoreKind = "func" | "table" | "memory" | "global" | "tag";

/** A core module inside the component, at any depth. */
export interface CoreModule {
  /** Offset of its first byte (`\0asm`) in the component. */
  readonly offset: number;
  readonly byteLength: number;
  readonly imports: readonly CoreImport[];
  readonly exports: readonly CoreExport[];
}

/** One line of the `producers` section: `processed-by wit-component 0.259.0`. Claimed by the vendor, unproven. */
export interface Producer {
  readonly field: string;
  readonly name: string;
  readonly version: string;
}

/** All that a component binary says about itself. */
export interface ComponentDescription {
  readonly imports: WitSide;
  readonly exports: WitSide;
  /** In the order of the binary, nested components included. */
  readonly coreModules: readonly CoreModule[];
  readonly producers: readonly Producer[];
  /** Custom sections of the outermost component, printable names only. */
  readonly customSections: readonly { readonly name: string; readonly byteLength: number }[];
}
