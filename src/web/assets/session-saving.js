// Files that are saved from a session's page: one by its URL, many as an archive. The browser saves, and no script holds bytes.

import * as format from "./format.js";
import words from "./session.words.js";
import { texts } from "./text.js";
import { element, named, say, slot } from "./view.js";

const t = texts(words);
// The most paths that an archive is asked for by.
const MOST_PICKED = 1000;

export class Saving {
  // `ask` calls the API in the session with this id, where downloads are asked for at `route`. Nothing is said once it `isOver`.
  constructor({ ask, id, route, isOver }) {
    Object.assign(this, { ask, id, route, isOver });
  }

  // A URL to show or save a file from; null where there is none, after saying why.
  async sign(file, disposition = "inline") {
    say("fault");
    const answer = await this.ask("POST", this.route, { path: file.path, disposition });
    if (answer.ok) return answer.content.url;
    if (!this.isOver()) {
      const why = answer.status === 404 ? t.nodes("gone", { name: named(file.name) }) : [t("not_begun")];
      slot("fault").replaceChildren(...why);
    }
    return null;
  }

  // In a frame that nobody sees: the page stays, whatever comes of it.
  async save(file) {
    const url = await this.sign(file, "attachment");
    if (url === null) return;
    const link = element("a", { href: url, target: "_blank", rel: "noopener noreferrer", textContent: t("begun_link") });
    slot("status").replaceChildren(...t.nodes("begun", { name: named(file.name), link }));
    const frame = element("iframe", { hidden: true, src: url });
    document.body.append(frame);
    setTimeout(() => frame.remove(), 60_000);
  }

  // By a form.
  async archive(paths) {
    say("fault");
    if (paths.length > MOST_PICKED) {
      say("fault", t("too_many_picked", { count: format.number(MOST_PICKED) }));
      return;
    }
    // Renews the credential if need be: a form cannot.
    const answer = await this.ask("GET", "/v1/session");
    if (!answer.ok) {
      if (!this.isOver()) say("fault", t("not_begun"));
      return;
    }
    const name = `archive-${Date.now()}`;
    const frame = element("iframe", { hidden: true, name });
    const field = (key, value) => element("input", { type: "hidden", name: key, value });
    const form = element("form", { method: "post", action: "/v1/session/archives", target: name, hidden: true },
      field("session", this.id), field("request", JSON.stringify({ paths })));
    document.body.append(frame, form);
    // A frame that shows something shows a refusal, which it keeps to itself: what is saved is not shown.
    frame.addEventListener("load", () => {
      if (isBlank(frame)) return;
      say("status");
      say("fault", t("archive_refused"));
    });
    form.submit();
    form.remove();
    say("status", t("archive_begun"));
  }
}

function isBlank(frame) {
  try {
    return frame.contentWindow.location.href === "about:blank";
  } catch {
    return false;
  }
}
