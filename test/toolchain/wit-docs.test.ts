import { describe, expect, it } from "vitest";
import { functionDocs } from "../../src/toolchain/wit-docs.ts";

describe("functionDocs()", () => {
  const cases: { name: string; wit: string; docs: Record<string, string> }[] = [
    {
      name: "joins lines and keeps paragraphs",
      wit: "interface i {\n  /// One\n  /// line.\n  ///\n  /// Cost: none.\n  f: func();\n}\nworld w {\n  export i;\n}",
      docs: { "i/f": "One line.\n\nCost: none." },
    },
    {
      name: "gives an empty text for a function without a comment",
      wit: "interface i {\n  f: func();\n}\nworld w {\n  export i;\n}",
      docs: { "i/f": "" },
    },
    {
      name: "does not give a type's comment to the function behind it",
      wit: "interface i {\n  /// A type.\n  record r {\n    /// A field.\n    a: u8,\n  }\n  f: func();\n}\nworld w {\n  export i;\n}",
      docs: { "i/f": "" },
    },
    {
      name: "leaves out interfaces that are not exported",
      wit: "interface i {\n  f: func();\n}\ninterface j {\n  g: func();\n}\nworld w {\n  import i;\n  export j;\n}",
      docs: { "j/g": "" },
    },
    {
      name: "leaves out methods of resources",
      wit: "interface i {\n  resource r {\n    /// A method.\n    m: func();\n  }\n  /// Free.\n  f: func();\n}\nworld w {\n  export i;\n}",
      docs: { "i/f": "Free." },
    },
    {
      name: "reads past attributes, escapes and line breaks among parameters",
      wit: "interface i {\n  /// Lists.\n  @since(version = 0.1.0)\n  %list: async func(\n    a: u8,\n  ) -> u8;\n}\nworld w {\n  export i;\n}",
      docs: { "i/list": "Lists." },
    },
    {
      name: "is not misled by braces in comments",
      wit: "interface i {\n  // {{{\n  /// Braces } here.\n  f: func();\n}\nworld w {\n  export i;\n}",
      docs: { "i/f": "Braces } here." },
    },
  ];
  it.each(cases)("$name", ({ wit, docs }) => {
    expect(functionDocs(wit)).toEqual(docs);
  });
});
