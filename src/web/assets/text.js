// Words in the reader's language, with what is to be filled in.

export const language = document.documentElement.lang;

const plural = new Intl.PluralRules(language);
const BLANK = /\{(\w+)\}/;

// `texts(words)` gives `t`, which makes a text of a key and values; `number` among these
// chooses between forms. `t.nodes` makes nodes, for names that others chose.
export function texts(words) {
  const word = (key, values) => {
    const found = key.split(".").reduce((group, name) => group?.[name], words);
    if (typeof found !== "object") return found ?? key;
    return found[plural.select(values.number ?? 0)] ?? found.other ?? key;
  };
  const pieces = (key, values) =>
    word(key, values).split(BLANK).map((piece, place) => (place % 2 === 1 ? (values[piece] ?? "") : piece));
  const t = (key, values = {}) => pieces(key, values).join("");
  t.nodes = (key, values = {}) => pieces(key, values).filter((piece) => piece !== "");
  // Whether there are words for something that the API names.
  t.has = (key) => key.split(".").reduce((group, name) => group?.[name], words) !== undefined;
  return t;
}
