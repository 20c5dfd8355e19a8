// What people see of files on their way: chosen, dropped, sent. How they are sent: queue.js.

import * as format from "./format.js";
import { Queue } from "./queue.js";
import { texts } from "./text.js";
import words from "./upload.words.js";
import { element, named, slot } from "./view.js";

const t = texts(words);

// Lines of a list; what waits beyond them is counted, and what is done makes room.
const MOST_LINES = 100;
// Why trying again would lead to nothing else.
const FINAL = new Set(["path_taken", "forbidden", "closed", "over", "too_large", "upload_infected", "path_protected", "invalid"]);
// What systems leave in folders by themselves.
const LITTER = new Set([".DS_Store", "Thumbs.db", "desktop.ini"]);

const all = new Set();
addEventListener("beforeunload", (event) => [...all].some(({ queue }) => queue.total.open > 0) && event.preventDefault());

// The files that are sent from one place of a page, with what can be done about them.
export class Sending {
  lines = new Map();
  stale = new Set();
  drawing = 0;
  speed = { at: 0, sent: 0, bytes: 0 };

  // `list` takes the lines. `ask` calls the API; `done` is told of each upload that has arrived.
  constructor(list, { ask, done, mayReplace = false, base }) {
    Object.assign(this, { list, mayReplace });
    this.queue = new Queue({ ask, done, base, changed: (transfer) => this.draw(transfer) });
    this.text = element("p", { className: "small" });
    this.spoken = element("p", { className: "unseen" });
    this.spoken.setAttribute("role", "status");
    this.bar = element("progress", { max: 1, value: 0 });
    this.bar.setAttribute("aria-label", t("all"));
    const button = (word, action, name) => {
      const made = element("button", { type: "button", className: "small", textContent: word });
      made.dataset.do = name;
      made.addEventListener("click", action);
      return made;
    };
    this.pause = button(t("pause_all"), () => this.queue.pauseAll(), "pause-all");
    this.resume = button(t("resume_all"), () => this.queue.resumeAll(), "resume-all");
    this.cancel = button(t("cancel_all"), () => this.queue.cancelAll(), "cancel-all");
    const actions = element("div", { className: "bar" }, this.pause, this.resume, this.cancel);
    this.head = element("div", { className: "sending", hidden: true }, this.text, this.bar, actions, this.spoken);
    list.before(this.head);
    list.hidden = true;
    all.add(this);
  }

  // Each of them `{ file, path }`; where there is no path, the file may not go there.
  add(files) {
    for (const { file, path } of files) {
      const transfer = this.queue.add(file, path ?? file.name);
      if (path === null) {
        transfer.why = "forbidden";
        this.queue.to(transfer, "failed");
      }
    }
    this.list.hidden = false;
    this.head.hidden = false;
    this.queue.go();
  }

  draw(transfer) {
    this.stale.add(transfer);
    this.drawing ||= requestAnimationFrame(() => {
      this.drawing = 0;
      for (const changed of this.stale) this.line(changed)?.draw();
      this.stale.clear();
      this.tell();
    });
  }

  line(transfer) {
    const known = this.lines.get(transfer);
    if (known || (this.lines.size >= MOST_LINES && transfer.state === "waiting")) return known;
    this.tidy();
    const line = new Line(transfer, this);
    this.lines.set(transfer, line);
    this.list.append(line.row);
    return line;
  }

  // Lines of what is over make room, the oldest first.
  tidy() {
    for (const [transfer, line] of this.lines) {
      if (this.lines.size < MOST_LINES) return;
      if (!transfer.isOver) continue;
      line.row.remove();
      this.lines.delete(transfer);
    }
  }

  tell() {
    const total = this.queue.total;
    const counts = { done: format.number(total.done), files: format.files(total.files) };
    this.bar.value = total.bytes > 0 ? total.sent / total.bytes : Number(total.done === total.files);
    this.bar.hidden = total.open + total.paused === 0;
    this.pause.hidden = total.open === 0;
    this.resume.hidden = total.paused === 0;
    this.cancel.hidden = total.open + total.paused === 0;
    const sizes = { sent: format.size(total.sent), total: format.size(total.bytes) };
    const parts = [t("done_of", counts)];
    if (total.open + total.paused > 0) parts.push(t("progress", sizes));
    const left = this.left(total);
    if (left > 5 && total.open > 0) parts.push(t("left", { span: format.span(left > 60 ? left - (left % 60) : left) }));
    if (total.failed > 0) parts.push(t("failed_of", { number: total.failed, count: format.number(total.failed) }));
    this.text.textContent = parts.join(" · ");
    const spoken = t("done_of", counts);
    if (this.spoken.textContent !== spoken && (total.open === 0 || total.done % 10 === 0)) this.spoken.textContent = spoken;
  }

  // Seconds, by how fast it went of late.
  left({ bytes, sent }) {
    const at = performance.now();
    const span = (at - this.speed.at) / 1000;
    if (span > 1) {
      const fresh = Math.max(0, sent - this.speed.sent) / span;
      this.speed = { at, sent, bytes: this.speed.bytes > 0 ? 0.7 * this.speed.bytes + 0.3 * fresh : fresh };
    }
    return this.speed.bytes > 0 ? (bytes - sent) / this.speed.bytes : 0;
  }
}

// One file.
class Line {
  constructor(transfer, sending) {
    Object.assign(this, { transfer, sending });
    const { queue } = sending;
    this.state = element("span", { className: "about" });
    this.bar = element("progress", { max: 1, value: 0 });
    this.bar.setAttribute("aria-label", t("sending", { name: transfer.path }));
    const name = element("span", { className: "name" }, named(transfer.path));
    const button = (text, act, about) => {
      const made = element("button", { type: "button", className: "small", textContent: text });
      made.setAttribute("aria-label", t("action_of", { action: text, name: transfer.path }));
      made.dataset.do = about;
      made.addEventListener("click", () => act.call(queue, transfer));
      return made;
    };
    this.pause = button(t("pause"), queue.pause, "pause");
    this.resume = button(t("resume"), queue.resume, "resume");
    this.retry = button(t("again"), queue.resume, "retry");
    this.replace = button(t("replace"), queue.replace, "replace");
    this.cancel = button(t("cancel"), queue.cancel, "cancel");
    const actions = element("span", { className: "actions" }, this.pause, this.resume, this.retry, this.replace, this.cancel);
    this.row = element("li", {}, element("span", { className: "what" }, name, this.state, this.bar), actions);
    this.row.dataset.path = transfer.path;
  }

  draw() {
    const { state, why, sent, size } = this.transfer;
    this.row.dataset.state = state;
    const moving = state === "sending" || state === "lost";
    const taken = why === "path_taken" && this.sending.mayReplace;
    this.pause.hidden = !moving && state !== "waiting";
    this.resume.hidden = state !== "paused";
    this.retry.hidden = state !== "failed" || FINAL.has(why);
    this.replace.hidden = state !== "failed" || !taken;
    this.cancel.hidden = this.transfer.isOver || state === "checking";
    this.bar.hidden = !moving && state !== "paused";
    this.bar.value = size > 0 ? sent / size : 0;
    this.state.textContent = this.said(state, why, { sent: format.size(Math.min(sent, size)), total: format.size(size) });
    this.state.classList.toggle("alarm", state === "failed");
    // What is over gives way to what is not.
    if (this.transfer.isOver && !this.isLast) this.sending.list.append(this.row);
    this.isLast = this.transfer.isOver;
  }

  said(state, why, sizes) {
    if (state === "failed") return t.has(`why.${why}`) ? t(`why.${why}`) : t("why.failed");
    if (state === "sending") return t("progress", sizes);
    return t(`state.${state}`, { size: sizes.total, ...sizes });
  }
}

// Lets files and folders be picked and dropped within `place`; `add` gets each as `{ file, name }`, where the name of a
// file in a folder has the folder's before it. Nothing is taken while it is not welcome.
export function offerFiles(place, add, isWelcome = () => !place.hidden) {
  const picked = (input) => {
    const files = [...input.files].map((file) => ({ file, name: file.webkitRelativePath || file.name }));
    input.value = "";
    add(files.filter(isWanted));
  };
  for (const [name, id] of [["choose", "chosen"], ["choose-folder", "chosen-folder"]]) {
    const input = place.querySelector(`#${id}`);
    input.addEventListener("change", () => picked(input));
    place.querySelector(`[data-do="${name}"]`).addEventListener("click", () => input.click());
  }
  const zone = slot("drop", place);
  let depth = 0;
  const over = (is) => zone.classList.toggle("over", is);
  const carries = (event) => isWelcome() && event.dataTransfer?.types.includes("Files");
  // Anywhere on the page: beside the zone, browsers would leave it to open the file.
  addEventListener("dragenter", (event) => {
    if (carries(event)) over((depth += 1) > 0);
  });
  addEventListener("dragleave", (event) => {
    if (carries(event)) over((depth = Math.max(0, depth - 1)) > 0);
  });
  addEventListener("dragover", (event) => carries(event) && event.preventDefault());
  addEventListener("drop", async (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    depth = 0;
    over(false);
    // What was dropped is there only until the first wait.
    const items = [...event.dataTransfer.items].filter((item) => item.kind === "file");
    const entries = items.map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
    const files = [];
    for (const entry of entries) await collect(entry, "", files);
    add(files.filter(isWanted));
  });
}

const isWanted = ({ name }) => !LITTER.has(name.slice(name.lastIndexOf("/") + 1));

async function collect(entry, above, files) {
  if (!entry) return;
  if (entry instanceof File) files.push({ file: entry, name: entry.name });
  else if (entry.isFile) {
    const file = await new Promise((resolve) => entry.file(resolve, () => resolve(null)));
    if (file) files.push({ file, name: above + entry.name });
  } else {
    const reader = entry.createReader();
    for (;;) {
      // A hundred at a time, until there are none.
      const some = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
      if (some.length === 0) return;
      for (const inner of some) await collect(inner, `${above}${entry.name}/`, files);
    }
  }
}
