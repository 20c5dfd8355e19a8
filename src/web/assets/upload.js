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
const FINAL = new Set([
  "path_taken", "forbidden", "closed", "over", "too_large", "upload_infected", "path_protected", "invalid", "unreadable",
]);
const mayPass = (why) => !FINAL.has(why);
// What systems leave in folders by themselves.
const LITTER = new Set([".DS_Store", "Thumbs.db", "desktop.ini"]);

const all = new Set();
// Nothing can go on that is on its way: nobody is asked whether to leave it.
export const giveUp = () => all.clear();
addEventListener("beforeunload", (event) => [...all].some(({ queue }) => queue.total.open + queue.total.paused > 0) && event.preventDefault());

// The files that are sent from one place of a page, with what can be done about them.
export class Sending {
  lines = new Map();
  // What has no line for now, and should have one.
  unseen = new Set();
  stale = new Set();
  drawing = 0;
  failed = 0;
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
    this.retry = button(t("again_all"), () => this.queue.retryAll(mayPass), "retry-all");
    this.cancel = button(t("cancel_all"), () => this.queue.cancelAll(), "cancel-all");
    this.actions = element("div", { className: "bar" }, this.pause, this.resume, this.retry, this.cancel);
    this.head = element("div", { className: "sending", hidden: true }, this.text, this.bar, this.actions, this.spoken);
    this.head.tabIndex = -1;
    list.before(this.head);
    list.hidden = true;
    all.add(this);
  }

  // Each of them `{ file, path }`, and `why` it may not go there. There is no file where it could not be read.
  add(files) {
    for (const { file, path, why = "" } of files) this.queue.add(file, path, file ? why : "unreadable");
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
      for (const transfer of this.unseen) if (!this.line(transfer)?.draw()) break;
      this.tell();
    });
  }

  // The line of a transfer. Beyond as many as there may be, only what is at work has one.
  line(transfer) {
    const known = this.lines.get(transfer);
    const { isActive, state } = transfer;
    if (state !== "failed") this.unseen.delete(transfer);
    if (known && (state !== "failed" || this.lines.size <= MOST_LINES)) return known;
    this.tidy();
    if (isActive || this.lines.size < MOST_LINES) {
      this.unseen.delete(transfer);
      return known ?? this.added(transfer);
    }
    if (known) this.remove(transfer);
    if (state === "failed") this.unseen.add(transfer);
    return null;
  }

  added(transfer) {
    const line = new Line(transfer, this);
    this.lines.set(transfer, line);
    this.list.append(line.row);
    return line;
  }

  remove(transfer) {
    this.lines.get(transfer).row.remove();
    this.lines.delete(transfer);
  }

  // Lines of what is over make room, the oldest first.
  tidy() {
    for (const [transfer] of this.lines) {
      if (this.lines.size < MOST_LINES) return;
      if (transfer.isOver) this.remove(transfer);
    }
  }

  // How much has arrived, for when nothing more can.
  get arrived() {
    const { done, files } = this.queue.total;
    return t("arrived", { done: format.number(done), number: files, files: format.files(files) });
  }

  // Where the focus goes when what had it is no more to be seen: to what can be done next, with this file or with any.
  focusNear(row) {
    const seen = (place) => [...place.querySelectorAll("button")].filter((button) => !button.hidden);
    const rows = [...this.list.children];
    const next = [row, ...rows.slice(rows.indexOf(row) + 1)].flatMap(seen)[0] ?? seen(this.actions)[0];
    (next ?? this.head).focus();
  }

  tell() {
    const total = this.queue.total;
    const counts = { done: format.number(total.done), files: format.files(total.files) };
    this.bar.value = total.bytes > 0 ? total.sent / total.bytes : Number(total.done === total.files);
    this.bar.hidden = total.open + total.paused === 0;
    const had = document.activeElement;
    this.pause.hidden = total.open === 0;
    this.resume.hidden = total.paused === 0;
    this.retry.hidden = !this.queue.transfers.some(({ state, why }) => state === "failed" && mayPass(why));
    this.cancel.hidden = total.open + total.paused === 0;
    if (had.hidden && this.actions.contains(had)) ([...this.actions.children].find((button) => !button.hidden) ?? this.head).focus();
    const sizes = { sent: format.size(total.sent), total: format.size(total.bytes) };
    const parts = [t("done_of", counts)];
    if (total.open + total.paused > 0) parts.push(t("progress", sizes));
    const left = this.left(total);
    if (left > 5 && total.open > 0) parts.push(t("left", { span: format.span(left > 60 ? left - (left % 60) : left) }));
    const failed = total.failed > 0 ? [t("failed_of", { number: total.failed, count: format.number(total.failed) })] : [];
    this.text.textContent = [...parts, ...failed].join(" · ");
    const spoken = [t("done_of", counts), ...failed].join(" · ");
    const isNews = total.open === 0 || (total.done + total.failed) % 10 === 0 || (total.failed > 0 && this.failed === 0);
    if (this.spoken.textContent !== spoken && isNews) this.spoken.textContent = spoken;
    this.failed = total.failed;
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
    const { state, why, limit, sent, size } = this.transfer;
    const had = this.row.contains(document.activeElement) ? document.activeElement : null;
    this.row.dataset.state = state;
    const moving = state === "sending" || state === "lost";
    const taken = why === "path_taken" && this.sending.mayReplace;
    this.pause.hidden = !moving && state !== "waiting";
    this.resume.hidden = state !== "paused";
    this.retry.hidden = state !== "failed" || !mayPass(why);
    this.replace.hidden = state !== "failed" || !taken;
    this.cancel.hidden = this.transfer.isOver || state === "checking";
    this.bar.hidden = !moving && state !== "paused";
    this.bar.value = size > 0 ? sent / size : 0;
    const sizes = { sent: format.size(Math.min(sent, size)), total: format.size(size), limit: limit === null ? "" : format.size(limit) };
    this.state.textContent = this.said(state, why, sizes);
    this.state.classList.toggle("alarm", state === "failed");
    if (had?.hidden) this.sending.focusNear(this.row);
    // What is over gives way to what is not.
    if (this.transfer.isOver && !this.isLast) this.sending.list.append(this.row);
    this.isLast = this.transfer.isOver;
    return this;
  }

  said(state, why, sizes) {
    if (state === "failed" && why === "too_large" && sizes.limit !== "") return t("why.larger_than", sizes);
    if (state === "failed") return t.has(`why.${why}`) ? t(`why.${why}`) : t("why.failed");
    if (state === "sending") return t("progress", sizes);
    return t(`state.${state === "lost" ? why : state}`, { size: sizes.total, ...sizes });
  }
}

// Lets files and folders be picked and dropped within `place`; `add` gets each as `{ file, name }`, where the name of a
// file in a folder has the folder's before it, and there is no file where it cannot be read. Nothing is taken while it is
// not welcome.
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
    files.push({ file, name: above + entry.name });
  } else {
    const reader = entry.createReader();
    for (;;) {
      // A hundred at a time, until there are none.
      const some = await new Promise((resolve) => reader.readEntries(resolve, () => resolve(null)));
      if (some === null) files.push({ file: null, name: above + entry.name });
      if (!some?.length) return;
      for (const inner of some) await collect(inner, `${above}${entry.name}/`, files);
    }
  }
}
