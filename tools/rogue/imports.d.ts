/** The parts of rogue's imported interfaces that rogue.ts uses, as componentize-js presents them. */

declare module "writ:host/log@0.1.0" {
  export function write(entry: {
    level: "debug" | "info" | "warn" | "error";
    message: string;
    fields: [string, string][];
  }): void;
}

declare module "wasi:cli/environment@0.2.12" {
  export function getEnvironment(): [string, string][];
}

declare module "wasi:clocks/monotonic-clock@0.2.12" {
  export function subscribeDuration(nanoseconds: bigint): { block(): void };
}

declare module "wasi:filesystem/preopens@0.2.12" {
  interface Descriptor {
    openAt(
      pathFlags: { symlinkFollow: boolean },
      path: string,
      openFlags: { create: boolean },
      flags: { read: boolean },
    ): Descriptor;
    read(length: bigint, offset: bigint): [Uint8Array, boolean];
  }
  export function getDirectories(): [Descriptor, string][];
}
