// Making things: dialogs that ask, and one that shows, this once, what was made.

import { code } from "./code.js";
import { ask, go, signedIn } from "./console-ask.js";
import words from "./console.words.js";
import { texts } from "./text.js";
import { busy, copy, element, focusHeading, isBusy, named, slot } from "./view.js";

const t = texts(words);
// Browsers bring a field of several lines into view only by the line that is written to.
document.addEventListener("focusin", ({ target }) => target.matches("textarea") && target.scrollIntoView({ block: "nearest" }));
const DAY = "86400";
const MEGABYTE = 1_000_000;

const dialog = (id) => document.getElementById(id);

for (const select of document.querySelectorAll("[data-spans]")) {
  const spans = select.dataset.spans.split(" ");
  select.replaceChildren(...spans.map((span) => element("option", { value: span, textContent: t(`spans.${span}`) })));
  for (const option of select.options) option.defaultSelected = option.value === (select.dataset.usual ?? DAY);
}
for (const button of document.querySelectorAll('dialog [data-do="cancel"]')) {
  button.addEventListener("click", () => button.closest("dialog").close());
}

// Asks by a form in a dialog. `send` makes it of what was filled in; it is shown when it is made.
function askBy(id, send) {
  const box = dialog(id);
  const form = box.querySelector("form");
  const button = form.querySelector("button.main");
  const [fault, status] = [slot("fault", form), slot("status", form)];
  form.reset();
  fault.textContent = "";
  form.onsubmit = async (event) => {
    event.preventDefault();
    if (isBusy(button)) return;
    busy(button, true);
    fault.textContent = "";
    status.textContent = t("making");
    const answer = await send(Object.fromEntries(new FormData(form)), status);
    busy(button, false);
    status.textContent = "";
    if (!box.open) return;
    if (answer.ok) box.close();
    else fault.textContent = faultOf(answer);
  };
  box.showModal();
  return form;
}

function faultOf(answer) {
  const field = String(answer.content.pointer ?? "").split("/")[1];
  if (answer.status === 422 && field && t.has(`fault.${field}`)) return t(`fault.${field}`);
  // It may have been done, and only the answer be lost.
  if (answer.status === 0 || answer.status >= 500) return t("fault.unknown");
  return t(answer.status === 403 ? "fault.forbidden" : "fault.other");
}

const given = (fields) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== "" && value !== undefined));
const seconds = (values) => ({ expires_in: Number(values.expires_in), access_expires_in: Number(values.access_expires_in) });
// A message has no line breaks.
const texted = (values) => given({ label: values.label.trim(), message: values.message.trim().replace(/\s+/g, " ") });
// The time is the reader's own; an empty field restricts nothing.
function restricted(values) {
  const networks = values.networks.split(",").map((network) => network.trim()).filter((network) => network !== "");
  const recipients = values.recipients.split(/[\s,;]+/).filter((address) => address !== "");
  return {
    // As many as there are recipients, unless it is for everybody.
    ...(recipients.length > 0 ? { recipients } : { redemptions: Number(values.redemptions) }),
    ...(values.not_before && { not_before: new Date(values.not_before).toISOString() }),
    ...(networks.length > 0 && { allowed_networks: networks }),
  };
}
const shownPath = (path) => (path === "/" ? t("everything") : path);

function list(form, paths) {
  slot("pins", form).replaceChildren(...paths.map((path) => element("li", {}, named(shownPath(path)))));
}

export function makeShare(paths) {
  const form = askBy("new-share", async (values) => {
    const body = { paths, permission: values.permission, ...seconds(values), ...restricted(values), ...texted(values) };
    const answer = await ask("POST", "/v1/shares", body);
    if (answer.ok) showMade("share", answer.content.url, `/console/file-links/${answer.content.id}`);
    return answer;
  });
  list(form, paths);
  slot("permission", form).hidden = !signedIn.view.may.upload;
}

// `artifact` is what was published before; else these paths are published now.
export function makeLink(paths, artifact = null) {
  let published = artifact;
  const form = askBy("new-link", async (values, status) => {
    const label = given({ label: values.label.trim() });
    if (!published) {
      status.textContent = t("publishing");
      // Everything is copied before there is an answer.
      const answer = await ask("POST", "/v1/artifacts", { paths, ...label }, { patience: Infinity });
      if (!answer.ok) return answer;
      published = answer.content.id;
    }
    const body = { artifact: published, ...seconds(values), ...restricted(values), ...given({ password: values.password }), ...texted(values) };
    const answer = await ask("POST", "/v1/links", body);
    if (answer.ok) showMade("link", answer.content.url, `/console/site-links/${answer.content.id}`);
    return answer;
  });
  list(form, paths);
}

export function makeRequest(folder) {
  const form = askBy("new-request", async (values) => {
    const number = (value) => (value === "" ? undefined : Number(value));
    const bytes = (value) => (value === "" ? undefined : Number(value) * MEGABYTE);
    const types = values.types.split(",").map((type) => type.trim()).filter((type) => type !== "");
    const path = values.folder.trim();
    const body = {
      folder: path.endsWith("/") ? path : `${path}/`,
      limits: given({ objects: number(values.objects), bytes: bytes(values.bytes) }),
      submissions: Number(values.submissions),
      expires_in: Number(values.expires_in),
      content_types: types,
      ...given({ largest_file: bytes(values.largest), password: values.password }),
      ...given({ label: values.label.trim(), message: values.message.trim() }),
    };
    const answer = await ask("POST", "/v1/file-requests", body);
    if (answer.ok) showMade("request", answer.content.url, `/console/file-requests/${answer.content.id}`);
    return answer;
  });
  form.elements.folder.value = folder;
}

export function makeKey() {
  const form = askBy("new-key", async (values) => {
    const ends = values.expires_in === "never" ? {} : { expires_in: Number(values.expires_in) };
    const grants = [{ path: values.path.trim(), permission: values.permission }];
    const body = { grants, ...ends, ...given({ mode: values.mode, label: values.label.trim() }) };
    const answer = await ask("POST", "/v1/api-keys", body);
    if (answer.ok) showMade("key", answer.content.secret, "/console/keys");
    return answer;
  });
  // A test key makes test keys alone.
  slot("mode", form).hidden = !signedIn.view.livemode;
  form.elements.mode.disabled = !signedIn.view.livemode;
}

// Nothing of what was shown is left in the page.
function forgetMade() {
  slot("secret", dialog("made")).textContent = "";
  slot("code", dialog("made")).replaceChildren();
}

// Shows what is never shown again; then goes to where it is listed.
async function showMade(kind, secret, place) {
  const box = dialog("made");
  const form = box.querySelector("form");
  const drawing = slot("code", form);
  slot("title", form).textContent = t(`made.${kind}`);
  slot("text", form).textContent = t(`made.text_${kind}`);
  slot("secret", form).textContent = secret;
  slot("copied", form).textContent = "";
  slot("no-code", form).textContent = "";
  drawing.replaceChildren();
  drawing.hidden = kind === "key";
  form.querySelector('[data-do="copy"]').onclick = () => copy(secret, slot("copied", form));
  form.onsubmit = (event) => {
    event.preventDefault();
    box.close();
  };
  box.onclose = () => {
    forgetMade();
    focusHeading();
    go(place);
  };
  box.showModal();
  slot("title", form).focus();
  if (kind === "key") return;
  const answer = await ask("POST", "/v1/console/qr", { text: secret });
  if (!box.open) return;
  if (answer.ok) drawing.replaceChildren(code(answer.content));
  else {
    drawing.hidden = true;
    slot("no-code", form).textContent = t("made.no_code");
  }
}

// Asks whether something is really to be ended, and ends it. `done` follows.
export function confirm(kind, word, end, done) {
  const box = dialog("confirm");
  const form = box.querySelector("form");
  const button = slot("yes", form);
  slot("title", form).textContent = t(`confirm.${kind}`);
  slot("text", form).textContent = t(`confirm.${kind}_text`);
  slot("fault", form).textContent = "";
  button.textContent = word;
  form.onsubmit = async (event) => {
    event.preventDefault();
    if (isBusy(button)) return;
    busy(button, true);
    const answer = await end();
    busy(button, false);
    if (!box.open) return;
    if (answer.ok || answer.status === 404) {
      box.close();
      // What was pressed goes with what has ended.
      focusHeading();
      done();
    } else slot("fault", form).textContent = t("not_revoked");
  };
  box.showModal();
}

export function closeDialogs() {
  for (const box of document.querySelectorAll("dialog[open]")) {
    box.onclose = null;
    box.close();
  }
  forgetMade();
}
