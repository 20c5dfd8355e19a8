// Shows one file over the list, and its neighbours by keyboard. What a browser cannot show harmlessly is only saved.

import * as format from "./format.js";
import words from "./session.words.js";
import { texts } from "./text.js";
import { busy, element, isBusy, named, slot } from "./view.js";

const t = texts(words);

// How much of a text is shown.
const MOST_TEXT = 262_144;
const PICTURES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"]);
const TEXTS = new Set(["application/json", "application/xml", "application/javascript", "application/yaml", "application/toml", "application/x-sh"]);

export function kindOf({ type }) {
  if (PICTURES.has(type)) return "picture";
  if (type === "application/pdf") return "pdf";
  if (type.startsWith("text/") || TEXTS.has(type) || type.endsWith("+json") || type.endsWith("+xml") && type !== "image/svg+xml") return "text";
  if (type.startsWith("video/")) return "video";
  return type.startsWith("audio/") ? "audio" : "none";
}

export class Preview {
  files = [];
  place = 0;
  shown = 0;

  // `sign` gives a URL to show a file from, or null and has said why; `save` saves one; `closed` is told where one was.
  constructor(dialog, { sign, save, closed }) {
    Object.assign(this, { dialog, sign, save, closed });
    this.stage = slot("stage", dialog);
    this.button("previous").addEventListener("click", () => this.step(-1));
    this.button("next").addEventListener("click", () => this.step(1));
    this.button("close").addEventListener("click", () => dialog.close());
    this.button("save").addEventListener("click", ({ currentTarget }) => save(this.files[this.place], currentTarget));
    dialog.addEventListener("close", () => {
      this.shown += 1;
      this.stage.replaceChildren();
      closed(this.files[this.place]);
    });
    dialog.addEventListener("keydown", (event) => {
      // In a player or a text the arrows have a meaning of their own.
      if (event.target.matches("video, audio, pre") || event.altKey || event.ctrlKey || event.metaKey) return;
      const forwards = document.documentElement.dir === "rtl" ? -1 : 1;
      if (event.key === "ArrowRight") this.step(forwards);
      else if (event.key === "ArrowLeft") this.step(-forwards);
    });
  }

  button(name) {
    return this.dialog.querySelector(`[data-do="${name}"]`);
  }

  open(files, file) {
    this.files = files;
    this.place = files.indexOf(file);
    if (!this.dialog.open) this.dialog.showModal();
    this.show();
    const can = kindOf(file) !== "none";
    this.button(can ? "close" : "save").focus();
  }

  step(by) {
    const place = this.place + by;
    if (place < 0 || place >= this.files.length) return;
    this.place = place;
    // What is shown goes, and would take the focus with it, and with that the keys.
    if (this.stage.contains(document.activeElement)) this.button("close").focus();
    this.show();
  }

  async show() {
    const file = this.files[this.place];
    const turn = (this.shown += 1);
    const kind = kindOf(file);
    slot("title", this.dialog).replaceChildren(named(file.name));
    slot("about", this.dialog).textContent = `${format.size(file.size)} · ${file.type}`;
    // Disabled they would lose the focus, and with it the keys.
    busy(this.button("previous"), this.place === 0);
    busy(this.button("next"), this.place === this.files.length - 1);
    const put = (...nodes) => turn === this.shown && this.stage.replaceChildren(...nodes);
    const quiet = (text) => element("p", { className: "quiet", textContent: text });
    if (kind === "none") return put(quiet(t("no_preview")));
    if (kind === "pdf") return put(quiet(t("pdf")), this.opener(file));
    put(quiet(t("fetching")));
    const url = await this.sign(file);
    if (turn !== this.shown) return undefined;
    const fault = () => put(quiet(t("not_shown")));
    if (url === null) return fault();
    if (kind === "text") return this.text(file, url, put, fault);
    if (kind === "picture") {
      const picture = element("img", { alt: file.name });
      picture.addEventListener("error", fault);
      picture.src = url;
      return put(picture);
    }
    return this.play(kind, file, url, put, fault);
  }

  // A button that opens a file in a tab of its own. Its URL is made on a click: each is on record, and lives a minute.
  opener(file) {
    const button = element("button", { type: "button", className: "main", textContent: t("open_pdf") });
    button.dataset.do = "open-pdf";
    button.addEventListener("click", async () => {
      if (isBusy(button)) return;
      busy(button, true);
      const url = await this.sign(file);
      busy(button, false);
      if (url !== null) element("a", { href: url, target: "_blank", rel: "noopener noreferrer" }).click();
      else if (button.isConnected) this.stage.replaceChildren(element("p", { className: "quiet", textContent: t("not_shown") }));
    });
    return button;
  }

  async text(file, url, put, fault) {
    try {
      const headers = file.size > MOST_TEXT ? { Range: `bytes=0-${MOST_TEXT - 1}` } : {};
      const answer = await fetch(url, { headers, credentials: "omit", cache: "no-store" });
      if (!answer.ok) return fault();
      const text = new TextDecoder().decode(await answer.arrayBuffer());
      const shown = element("pre", { tabIndex: 0, dir: "auto", textContent: text });
      shown.setAttribute("aria-label", file.name);
      const nodes = [shown];
      if (file.size > MOST_TEXT) nodes.push(element("p", { className: "quiet", textContent: t("text_cut", { size: format.size(MOST_TEXT) }) }));
      return put(...nodes);
    } catch {
      return fault();
    }
  }

  // A URL ends after a minute, and whoever goes on playing needs another.
  play(kind, file, url, put, fault) {
    const player = element(kind === "video" ? "video" : "audio", { controls: true, preload: "metadata" });
    player.setAttribute("aria-label", file.name);
    let renewed = null;
    player.addEventListener("error", async () => {
      const at = player.currentTime;
      // Another URL did not help there.
      if (at === renewed) return fault();
      renewed = at;
      const again = await this.sign(file);
      if (again === null || !player.isConnected) return undefined;
      player.src = again;
      player.currentTime = at;
      return player.play().catch(() => {});
    });
    player.src = url;
    return put(player);
  }
}
