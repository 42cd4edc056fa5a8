/**
 * The only globals of a host that core may name. Both are pure: values in, values out. The compiler is given
 * no other (`lib: ES2024`, `types: []`), so a clock, a fetch or a console here is a compile error.
 */
declare class TextEncoder {
  encode(input?: string): Uint8Array<ArrayBuffer>;
}

declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  decode(input?: Uint8Array | ArrayBuffer): string;
}
