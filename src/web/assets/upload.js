// Sending files, in a session that may write or to a file request: declare, send,
// complete. The bytes go straight to the storage, one file after the other.

import * as format from "./format.js";
import { texts } from "./text.js";
import words from "./upload.words.js";
import { element, named, slot } from "./view.js";

const t = texts(words);

const FALLBACK_TYPE = "application/octet-stream";
const MEDIA_TYPE = /^[a-z0-9!#$&^_.+-]+\/[a-z0-9!#$&^_.+-]+$/i;

let running = 0;
addEventListener("beforeunload", (event) => running > 0 && event.preventDefault());

// `ask` calls the API in the session; `changed` lists the files again.
export function offerUpload(form, pins, ask, changed) {
  const folder = form.querySelector("#folder");
  const chosen = form.querySelector("#chosen");
  const isFolder = (pin) => pin.endsWith("/");
  const folders = [...pins.filter(isFolder), ...pins.filter((pin) => !isFolder(pin))];
  folder.replaceChildren(...folders.map((pin) => element("option", { value: pin, textContent: described(pin) })));
  const fitting = () => (chosen.multiple = isFolder(folder.value));
  folder.addEventListener("change", fitting);
  fitting();
  sendChosen(form, (file) => pathOf(folder.value, file.name), { ask, changed, mayReplace: true });
}

// Sends what is chosen in a form, each file to its path.
export function sendChosen(form, pathFor, how) {
  const chosen = form.querySelector("#chosen");
  const send = sender(slot("sent", form), how);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (chosen.files.length === 0) return chosen.focus();
    for (const file of chosen.files) send(file, pathFor(file));
    chosen.value = "";
    return undefined;
  });
  form.hidden = false;
}

// Sends files to their paths, one after the other, each with its line in a list.
export function sender(list, how) {
  let queue = Promise.resolve();
  return (file, path) => {
    const line = new Line(file, path, how);
    list.append(line.row);
    queue = queue.then(() => line.send(false));
  };
}

const described = (pin) => (pin === "/" ? t("top_folder") : pin.endsWith("/") ? pin : t("as_file", { path: pin }));

// A pin that is no folder is the path itself, whatever the file was called.
function pathOf(pin, name) {
  if (!pin.endsWith("/")) return pin;
  return pin === "/" ? name : pin + name;
}

class Line {
  constructor(file, path, { ask, changed, mayReplace }) {
    Object.assign(this, { file, path, ask, changed, mayReplace });
    this.state = element("span", { className: "about", textContent: t("waiting") });
    this.state.setAttribute("role", "status");
    this.bar = element("progress", { max: 1, value: 0 });
    this.bar.setAttribute("aria-label", t("sending", { name: file.name }));
    const name = element("span", { className: "name" }, named(path));
    this.action = element("button", { type: "button", hidden: true });
    this.row = element("li", {}, element("span", { className: "what" }, name, this.state, this.bar), this.action);
  }

  async send(overwrite) {
    running += 1;
    this.offer(null);
    this.bar.hidden = false;
    this.say(t("starting"));
    try {
      await this.attempt(overwrite);
    } finally {
      running -= 1;
      this.bar.hidden = true;
    }
  }

  async attempt(overwrite) {
    const { file, path } = this;
    const content_type = MEDIA_TYPE.test(file.type) ? file.type : FALLBACK_TYPE;
    const declaration = { path, size: file.size, content_type, method: "put", overwrite };
    const declared = await this.ask("POST", "/v1/session/uploads", declaration);
    if (!declared.ok) return this.explain(declared);
    const { id, url, http_method, headers } = declared.content;
    const sent = await this.put(http_method, url, headers);
    if (sent !== "sent") {
      await this.ask("DELETE", `/v1/session/uploads/${encodeURIComponent(id)}`);
      this.offer(t("again"), false);
      return this.say(sent === "cancelled" ? t("cancelled") : t("interrupted"), true);
    }
    this.offer(null);
    this.say(t("checking"));
    const completed = await this.ask("POST", `/v1/session/uploads/${encodeURIComponent(id)}/complete`);
    if (!completed.ok) return this.explain(completed);
    if (completed.content.status !== "completed") {
      this.offer(t("again"), false);
      return this.say(t("not_whole"), true);
    }
    this.say(t("done", { size: format.size(file.size) }));
    await this.changed();
    return undefined;
  }

  // XMLHttpRequest, since fetch tells no progress.
  put(method, url, headers) {
    return new Promise((resolve) => {
      const request = new XMLHttpRequest();
      request.open(method, url);
      for (const [name, value] of Object.entries(headers ?? {})) request.setRequestHeader(name, value);
      request.upload.addEventListener("progress", ({ loaded, total }) => {
        this.bar.value = total > 0 ? loaded / total : 1;
        const text = t("progress", { sent: format.size(loaded), total: format.size(total) });
        if (this.state.textContent !== text) this.state.textContent = text;
      });
      request.addEventListener("load", () => resolve(request.status >= 200 && request.status < 300 ? "sent" : "failed"));
      request.addEventListener("error", () => resolve("failed"));
      request.addEventListener("abort", () => resolve("cancelled"));
      this.offer(t("cancel"), () => request.abort());
      request.send(this.file);
    });
  }

  explain(answer) {
    if (answer.code === "path_taken") {
      if (this.mayReplace) this.offer(t("replace"), true);
      return this.say(t("taken"), true);
    }
    if (answer.code === "closed") return this.say(t("closed"), true);
    if (answer.code === "quota_exceeded") return this.say(t("no_room"), true);
    if (answer.code === "too_large") return this.say(t("too_large"), true);
    if (answer.status === 422) return this.say(t("invalid"), true);
    this.offer(t("again"), false);
    if (answer.status === 403) return this.say(t("forbidden"), true);
    return this.say(t("failed"), true);
  }

  say(text, alarm = false) {
    this.state.textContent = text;
    this.state.classList.toggle("alarm", alarm);
  }

  // One button: what to do, either a function or whether to overwrite.
  offer(text, action) {
    this.action.hidden = text === null;
    if (text === null) return;
    this.action.textContent = text;
    this.action.setAttribute("aria-label", t("action_of", { action: text, name: this.file.name }));
    this.action.onclick = typeof action === "function" ? action : () => this.send(action);
  }
}
