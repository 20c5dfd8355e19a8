// What is on the page: one view at a time, with slots for texts. Names that
// others chose come in as text, never as markup.

import { isDead } from "./api.js";
import words from "./common.words.js";
import * as format from "./format.js";
import { texts } from "./text.js";

// What the page begins with is painted before any of its work is done. Where frames do not come, it is not waited for long.
await new Promise((go) => {
  if (document.visibilityState !== "visible") go();
  requestAnimationFrame(() => setTimeout(go));
  setTimeout(go, 100);
});

const t = texts(words);
const views = [...document.querySelectorAll("[data-view]")];
// The one that the page begins with.
let shown = views.find((view) => !view.hidden) ?? null;

export const slot = (name, within = shown ?? document) => within.querySelector(`[data-slot="${name}"]`);

// Shows one view. Its heading is focused, so that screen readers go on there.
export function show(name) {
  const before = shown;
  shown = views.find((view) => view.dataset.view === name);
  for (const view of views) view.hidden = view !== shown;
  if (before !== shown) focusHeading();
  return shown;
}

// Where readers go on when what they were at is gone.
export const focusHeading = () => shown.querySelector("h1").focus({ preventScroll: true });

// Shows why there was no answer to go on with.
export function showRefusal(answer) {
  if (isDead(answer)) show("dead");
  else if (answer.status === 429) {
    show("slow");
    say("wait", format.wait(answer));
  } else show("trouble");
}

export function title() {
  document.title = t("page", { title: shown.querySelector("h1").textContent });
}

export function say(name, text = "") {
  slot(name).textContent = text;
}

// Wherever in the view it stands.
export function sayAll(name, text) {
  for (const place of shown.querySelectorAll(`[data-slot="${name}"]`)) place.textContent = text;
}

// What the sender says, where they say anything: as text, so that no address in it becomes a link.
export function sayNote(message) {
  slot("note").hidden = !message;
  say("message", message ?? "");
}

// From when on it may be opened, where that is not now.
export function sayLater(opensAt) {
  slot("later").hidden = !opensAt;
  if (opensAt) say("opens", format.moment(Date.parse(opensAt)));
}

export function on(name, event, handler) {
  for (const element of document.querySelectorAll(`[data-do="${name}"]`)) {
    element.addEventListener(event, (happened) => {
      happened.preventDefault();
      handler(happened);
    });
  }
}

export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// A name that somebody else chose, kept apart from the direction of the text around it.
export const named = (text) => element("bdi", { dir: "auto", textContent: text });

// While something is under way, a button stays focusable and does nothing.
export function busy(button, is) {
  button.setAttribute("aria-disabled", String(is));
}

export const isBusy = (button) => button.getAttribute("aria-disabled") === "true";

// Puts a text on the clipboard, and says in `place` whether that went well.
export async function copy(text, place) {
  place.textContent = "";
  try {
    await navigator.clipboard.writeText(text);
    place.textContent = t("copied");
  } catch {
    place.textContent = t("copy_by_hand");
  }
}
