import tseslint from "typescript-eslint";

// Everything that comes from a target is hostile input: it may become text, never markup.
const markup = ["innerHTML", "outerHTML", "insertAdjacentHTML", "srcdoc", "createContextualFragment"];

export default tseslint.config(
  { ignores: ["node_modules/"] },
  ...tseslint.configs.strict,
  {
    rules: {
      "no-restricted-properties": ["error", ...markup.map((property) => ({ property, message: "text only" })),
        { object: "document", property: "write", message: "text only" }],
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-console": "error",
      eqeqeq: "error",
      "prefer-const": "error",
      "max-lines": ["error", 400],
      "max-lines-per-function": ["error", { max: 60, skipComments: true, skipBlankLines: true }],
      // Typed arrays are indexed inside their bounds; the checks for that stand where bytes come in.
      "@typescript-eslint/no-non-null-assertion": "off",
    },
  },
  { files: ["test/**"], rules: { "max-lines-per-function": "off" } },
);
