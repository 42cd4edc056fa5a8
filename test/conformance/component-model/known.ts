/** Assertions that are known not to hold, by script and line, and why that is so. None is about a value on its way. */

/** Lines of one script that share a reason. */
export interface Known {
  readonly script: string;
  readonly lines: readonly number[];
  readonly why: string;
}

/**
 * The decoder is no validator: what it accepts beyond the specification must be without effect. Every entry here but
 * the first is a component that is accepted although it is invalid.
 */
export const KNOWN: readonly Known[] = [
  {
    script: "async/trap-on-reenter.wast",
    lines: [86, 110],
    why: "a component may call its own child and its own parent, which the specification forbids for now; no instance is entered twice either way",
  },
  {
    script: "async/validate-no-async-abi-for-sync-type.wast",
    lines: [11],
    why: "canon lift async of a function type that is not async: its task runs in the same way",
  },
  {
    script: "async/validate-no-stream-char.wast",
    lines: [3],
    why: "a type with streams that no function uses; one that a function uses is refused",
  },
  {
    script: "binary/binary.wast",
    lines: [199, 743],
    why: "a core module that is never instantiated is not compiled; the stream as above",
  },
  {
    script: "validation/abi.wast",
    lines: [200, 214, 231, 250, 257],
    why: "core signatures of lifted functions, realloc and post-return are not compared: JavaScript stands between, drops what is too much, and a missing value reads as zero or traps",
  },
  {
    script: "validation/annotated-names.wast",
    lines: [21, 25, 29, 34, 39, 44, 80, 84, 88, 92, 128, 143, 153, 170, 176],
    why: "names of constructors and methods are not held against their types: they only pick the host's function, and its offer is checked by type",
  },
  {
    script: "validation/core-modules.wast",
    lines: [24, 36, 43, 51, 62, 72, 86, 94, 102, 110],
    why: "core module types are read past, and a core module that is never instantiated is not compiled",
  },
  {
    script: "validation/defined-types.wast",
    lines: [239, 245],
    why: "core module types are read past",
  },
  {
    script: "validation/external-visibility.wast",
    lines: [
      28, 61, 70, 111, 130, 149, 195, 231, 238, 245, 252, 259, 266, 275, 282, 289, 312, 368, 377, 384, 394,
      432, 443, 458, 489, 497,
    ],
    why: "types of imports and exports need no name of their own here: we compare them by what they are",
  },
  {
    script: "validation/instantiation.wast",
    lines: [
      14, 23, 32, 41, 51, 61, 70, 79, 88, 97, 106, 115, 124, 133, 142, 151, 160, 169, 178, 187, 196, 205, 297,
      305, 313, 321,
    ],
    why: "a type or a core module as an argument is not held against its declaration; each function that uses one is, and modules are linked by the engine",
  },
  {
    script: "validation/outer-alias.wast",
    lines: [39, 46, 54, 62, 69, 81, 89, 173, 182, 189, 196, 243],
    why: "an outer alias may reach what the specification keeps from it: a resource keeps its owner all the same",
  },
  {
    script: "validation/resources.wast",
    lines: [280, 301, 461, 577, 750],
    why: "two exports of one resource are one resource, and a type as an argument is not held against its declaration; a destructor's signature, as above",
  },
];
