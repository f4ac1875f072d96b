// What ESLint looks for in the page's modules and their tests. scripts/eslint.sh tells where the packages are.

const js = require("@eslint/js");
const globals = require("globals");

/** What makes markup of text: data reaches the page as text nodes and attributes only. */
const MARKUP = ["innerHTML", "outerHTML", "insertAdjacentHTML", "setHTMLUnsafe"];

module.exports = [
  js.configs.recommended,
  {
    languageOptions: { ecmaVersion: 2024, sourceType: "module" },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "array-callback-return": "error",
      "consistent-return": "error",
      eqeqeq: "error",
      "no-alert": "error",
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-new-func": "error",
      "no-restricted-properties": ["error", ...MARKUP.map((property) => ({ property })), { object: "document", property: "write" }],
      "no-self-compare": "error",
      "no-shadow": "error",
      "no-use-before-define": ["error", { functions: false }],
      "no-useless-return": "error",
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": "error",
      "require-await": "error",
    },
  },
  { files: ["src/server/page/assets/**/*.js"], languageOptions: { globals: globals.browser } },
  { files: ["tests/page/*.mjs"], languageOptions: { globals: globals.node } },
];
