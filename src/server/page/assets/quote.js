// Shell words: every line that the page shows can be pasted and run.

/**
 * A word for sh; in $'…' where it holds control characters, which bash, zsh and ksh read. Null when no shell can pass it.
 * @param {string} text
 */
export function word(text) {
  if (text.includes("\0")) return null;
  if (/^[A-Za-z0-9_@%+=:,./][A-Za-z0-9_@%+=:,./-]*$/.test(text)) return text;
  if (!/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text)) return `'${text.replaceAll("'", "'\\''")}'`;
  const escaped = [...text].map((char) => {
    const code = char.codePointAt(0) ?? 0;
    if (char === "'" || char === "\\") return `\\${char}`;
    if (!/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(char)) return char;
    return code > 0xffff ? `\\U${code.toString(16).padStart(8, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
  });
  return `$'${escaped.join("")}'`;
}

/**
 * A command line of a template: `{name}` is the word of a value, `[…]` goes when a value in it is empty, `{changes*}` is
 * `--set field=value` for each change.
 * @param {string} template
 * @param {Record<string, string>} values
 * @param {Record<string, string>} [changes]
 * @returns {string | null} null when a value cannot be passed
 */
export function commandLine(template, values, changes = {}) {
  let impossible = false;
  /** @param {string} part */
  const fill = (part) => part.replace(/\{(\w+)(\*?)\}/g, (_, name, many) => {
    const words = many ? Object.entries(changes).map(([field, value]) => word(`${field}=${value}`)) : [word(values[name] ?? "")];
    if (words.includes(null)) impossible = true;
    return many ? words.map((found) => `--set ${found}`).join(" ") : (words[0] || "''");
  });
  const line = template
    .replace(/\[([^\]]*)\]/g, (_, part) => ([.../** @type {string} */ (part).matchAll(/\{(\w+)\}/g)].every(([, name]) => values[name]) ? part : ""))
    .replace(/\{\w+\*\}/g, (part) => (Object.keys(changes).length > 0 ? part : ""))
    // Before values are filled in: spaces in them are theirs.
    .replace(/ {2,}/g, " ").trim()
    .split(/(\{\w+\*?\})/).map((part) => (part.startsWith("{") ? fill(part) : part)).join("");
  return impossible ? null : line;
}

/**
 * The same call by curl.
 * @param {string} method
 * @param {string} address
 * @param {{operator?: string, body?: unknown}} [more]
 */
export function curl(method, address, { operator, body } = {}) {
  const words = ["curl", "-sS"];
  if (method !== "GET") words.push("-X", method);
  words.push(word(address) ?? "");
  if (operator) words.push("-H", word(`X-Operator: ${operator}`) ?? "");
  if (body !== undefined) words.push("-H", "'Content-Type: application/json'", "--data", word(JSON.stringify(body)) ?? "");
  return words.join(" ");
}
