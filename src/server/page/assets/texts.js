// The texts that modules show. The server serves those of one language as one file: every message of the .ftl file
// whose key begins with `js-`, with each `{ $name }` written as `{name}`. Such messages have no plurals and no choices.

/** @type {Record<string, string>} */
const texts = await load();

/** @returns {Promise<Record<string, string>>} */
async function load() {
  const address = document.documentElement.dataset.texts;
  if (!address) return {};
  try {
    const answer = await fetch(address);
    return answer.ok ? await answer.json() : {};
  } catch {
    return {};
  }
}

/**
 * The text of a key, with its values; the key itself when there is none, which a test finds.
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 */
export function t(key, values = {}) {
  const text = texts[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}
