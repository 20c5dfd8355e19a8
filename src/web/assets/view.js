// What is on the page: one view at a time, with slots for texts. Names that
// others chose come in as text, never as markup.

const views = [...document.querySelectorAll("[data-view]")];
let shown = null;

export const slot = (name, within = shown ?? document) => within.querySelector(`[data-slot="${name}"]`);

// Shows one view. Its heading is focused, so that screen readers begin there.
export function show(name) {
  const first = shown === null;
  shown = views.find((view) => view.dataset.view === name);
  for (const view of views) view.hidden = view !== shown;
  const heading = shown.querySelector("h1");
  if (!first) heading.focus();
  return shown;
}

export function title() {
  document.title = `${shown.querySelector("h1").textContent} – Cloakroom`;
}

export function say(name, text = "") {
  slot(name).textContent = text;
}

// Wherever in the view it stands.
export function sayAll(name, text) {
  for (const place of shown.querySelectorAll(`[data-slot="${name}"]`)) place.textContent = text;
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

// While something is under way, a button stays focusable and does nothing.
export function busy(button, is) {
  button.setAttribute("aria-disabled", String(is));
}

export const isBusy = (button) => button.getAttribute("aria-disabled") === "true";
