// What all parts of the console share: calls in its session, where somebody
// is, and lists that come in pages.

import { call } from "./api.js";
import words from "./console.words.js";
import { texts } from "./text.js";
import { busy, isBusy, say, slot } from "./view.js";

const t = texts(words);
// So many empty pages are passed over before somebody has to ask for more.
const MOST_EMPTY = 20;

// Who is signed in, as the API tells; null where nobody is.
export const signedIn = { view: null };

let over = () => {};
export const whenOver = (handler) => (over = handler);

// A call in the session; `more` is for `call`. When it has ended, somebody has to sign in again.
export async function ask(method, path, body, more = {}) {
  const answer = await call(method, path, { body, ...more });
  if (answer.status === 401 || answer.code === "csrf") over();
  return answer;
}

let route = () => {};
export const routeBy = (handler) => (route = handler);

export function go(path) {
  history.pushState(null, "", path);
  return route();
}

// The parts of the address after /console/.
export const parts = () => location.pathname.split("/").slice(2).filter((part) => part !== "").map(decoded);

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

let turn = 0;

// Goes to another place; whether somebody is still there is what the result tells.
export function arrive() {
  turn += 1;
  const mine = turn;
  return () => mine === turn;
}

// Fills a list of the shown view, page by page.
export async function fill(path, row, still, limit = 50) {
  const [items, more, none] = ["items", "more", "none"].map((name) => slot(name));
  const button = more.querySelector("button");
  items.replaceChildren();
  more.hidden = true;
  none.hidden = true;
  say("fault");
  let cursor = null;
  const next = async (tries = MOST_EMPTY) => {
    const query = new URLSearchParams({ limit });
    if (cursor) query.set("cursor", cursor);
    const answer = await ask("GET", `${path}${path.includes("?") ? "&" : "?"}${query}`);
    if (!still()) return null;
    if (!answer.ok) {
      say("fault", t("not_loaded"));
      return null;
    }
    cursor = answer.content.next_cursor;
    const rows = answer.content.items.map(row);
    // What is looked for may be rare: a page can be empty, and another follow.
    if (rows.length === 0 && cursor !== null && tries > 0) return next(tries - 1);
    items.append(...rows);
    more.hidden = cursor === null;
    none.hidden = items.childElementCount > 0 || cursor !== null;
    return rows[0] ?? null;
  };
  button.onclick = async () => {
    if (isBusy(button)) return;
    busy(button, true);
    const first = await next();
    busy(button, false);
    first?.querySelector("a, button")?.focus();
  };
  await next();
}
