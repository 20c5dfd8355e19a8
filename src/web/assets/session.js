// The page of a session: its files as folders, what may be done with them, and its time. The owner of a share sees the same
// page as a recipient would, and claims nothing.

import { call, isDead, now } from "./api.js";
import common from "./common.words.js";
import { code } from "./code.js";
import * as format from "./format.js";
import { List } from "./session-list.js";
import { Preview } from "./session-preview.js";
import { Saving } from "./session-saving.js";
import { Tree, commonFolder, folderOf, nameOf } from "./session-tree.js";
import words from "./session.words.js";
import { texts } from "./text.js";
import * as tickets from "./tickets.js";
import { Sending, offerFiles } from "./upload.js";
import { busy, copy, element, isBusy, named, on, say, show, slot, title } from "./view.js";

const t = texts({ ...common, ...words });
const PAGE = 1000;
// Beyond these, a page is no place to look for a file.
const MOST_FILES = 50_000;
// This long before it ends, a credential is renewed.
const AHEAD = 120_000;
// When little time is left.
const SOON = 300;

const id = idInAddress();
const isOwner = id.startsWith("shr_");
const routes = isOwner
  ? { files: `/v1/shares/${encodeURIComponent(id)}/objects`, downloads: "/v1/objects/downloads" }
  : { files: "/v1/session/objects", downloads: "/v1/session/downloads" };
const filter = document.getElementById("filter");
const sort = document.getElementById("sort");
const everything = document.getElementById("everything");

const saving = new Saving({ ask, id, route: routes.downloads, isOver });

let expires = 0;
let ends = Infinity;
let renewal = null;
let timer = 0;
let pins = [];
let root = "";
let folder = "";
let complete = false;
let tree = new Tree();
let list = null;
let preview = null;
// Where files may be sent.
let sending = null;
let drawing = 0;

addEventListener("pageshow", (event) => event.persisted && location.reload());
document.addEventListener("visibilitychange", () => document.hidden || expires === 0 || keepAlive());
on("again", "click", begin);
await begin();

async function begin() {
  if (!tickets.isSupported()) show("unsupported");
  else {
    show("looking");
    if (isOwner) await beginAsOwner();
    else {
      const answer = await ask("GET", "/v1/session");
      if (answer.ok) await open(answer.content);
      else if (answer.status !== 401) show("trouble");
    }
  }
  title();
}

async function beginAsOwner() {
  const [share, session] = await Promise.all([
    ask("GET", `/v1/shares/${encodeURIComponent(id)}`), ask("GET", "/v1/console/session"),
  ]);
  if (share.status === 401) show("console");
  else if (share.status === 404 || ["expired", "revoked"].includes(share.content.status)) show("over");
  else if (share.ok) {
    const sender = session.content.tenant?.name ?? t("you");
    await open({ ...share.content, sender, expires_at: null, access_expires_at: null });
  } else show("trouble");
}

async function open(session) {
  if (!isOwner) {
    expires = Date.parse(session.expires_at);
    ends = Date.parse(session.access_expires_at);
  }
  // Before anything is shown: what comes later would push around what is there.
  const first = await page(null);
  if (isOver()) return;
  show("open");
  pins = session.paths;
  root = commonFolder(pins);
  const write = session.permission === "write";
  say("sender", session.sender);
  say("rights", write ? t("rights_write") : t("rights_read"));
  slot("owner").hidden = !isOwner;
  slot("time").hidden = isOwner;
  slot("move").hidden = isOwner;
  if (!isOwner) {
    say("until", format.moment(ends));
    setInterval(tick, 5_000);
    tick();
    keepAlive();
  }
  slot("picked").hidden = isOwner;
  const save = (file, button) => whileBusy(button, () => saving.save(file));
  list ??= new List(slot("files"), { picks: !isOwner, open: enter, save, up, chose });
  preview ??= new Preview(slot("viewer"), { sign: (file) => saving.sign(file), save, closed: back });
  on("archive", "click", ({ currentTarget }) => whileBusy(currentTarget, archive));
  on("move", "click", offerMove);
  filter.addEventListener("input", () => redraw());
  sort.addEventListener("change", () => redraw());
  everything.addEventListener("change", () => list.selectAll(everything.checked));
  addEventListener("popstate", () => goTo(folderInAddress()));
  folder = folderInAddress();
  // Until the files are known: where somebody comes back to may lie below.
  crumbs();
  if (write && !isOwner) offerSending();
  await load(first);
}

// What cannot be decoded is no id: nothing is open under it.
function idInAddress() {
  const part = location.pathname.split("/")[2] ?? "";
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function isOver() {
  return !isOwner && expires === 0;
}

// A call in this session; `more` is for `call`. A credential that has ended is renewed, once.
async function ask(method, path, body, more = {}) {
  if (isOwner) return call(method, path, { body, ...more });
  const headers = { ...more.headers, "Cloakroom-Session": id };
  const answer = await call(method, path, { body, headers });
  if (answer.status !== 401) return answer;
  const renewed = await renew();
  if (renewed === "over") over();
  if (renewed !== "renewed") return renewed === "over" ? answer : { ...answer, status: 0 };
  const again = await call(method, path, { body, headers });
  if (again.status === 401) over();
  return again;
}

// Redeems again with the same claim key. One at a time.
function renew() {
  renewal ??= redeemAgain().finally(() => (renewal = null));
  return renewal;
}

async function redeemAgain() {
  const ticket = tickets.opened(id);
  if (!ticket) return "over";
  const { token, claim_key } = ticket;
  const answer = await call("POST", "/v1/shares/redeem", { body: { token, claim_key } });
  if (isDead(answer)) {
    tickets.forgetOpened(id);
    return "over";
  }
  if (!answer.ok) return "later";
  expires = Date.parse(answer.content.expires_at);
  return "renewed";
}

// Timers stop while a device sleeps, so this also runs when the page is seen again.
async function keepAlive() {
  clearTimeout(timer);
  if (now() >= ends) return over();
  if (expires < ends && expires - now() <= AHEAD) {
    const renewed = await renew();
    if (renewed === "over" && tickets.opened(id) === null && now() >= expires) return over();
    if (renewed !== "renewed") {
      timer = setTimeout(keepAlive, 15_000);
      return undefined;
    }
  }
  const next = expires < ends ? expires - AHEAD : ends;
  timer = setTimeout(keepAlive, Math.min(Math.max(next - now(), 1_000), 2_000_000_000));
  return undefined;
}

function over() {
  clearTimeout(timer);
  expires = 0;
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  show("over");
  sayArrived();
  title();
}

// What was cut off is not here, and whoever sent it has to know.
function sayArrived() {
  if (sending?.queue.total.files) say("arrived", sending.arrived);
}

function tick() {
  if (expires === 0) return;
  const left = (ends - now()) / 1000;
  say("left", left > 0 ? t("left", { span: format.span(left > 60 ? left - (left % 60) : left) }) : "");
  const soon = left > 0 && left < SOON ? t(sending ? "soon_write" : "soon") : "";
  if (slot("soon").textContent !== soon) say("soon", soon);
}

function page(cursor) {
  return ask("GET", `${routes.files}?${new URLSearchParams({ limit: PAGE, ...(cursor && { cursor }) })}`);
}

// All files, a page at a time: each is shown when it has come.
async function load(first) {
  for (let answer = first; ; answer = await page(answer.content.next_cursor)) {
    if (isOver()) return;
    if (!answer.ok) {
      say("fault", t("not_listed"));
      say("loading");
      return;
    }
    for (const file of answer.content.items) tree.put(file);
    complete = answer.content.next_cursor === null;
    say("loading", complete ? "" : t("so_far", { count: format.files(tree.files.size) }));
    redraw();
    if (complete) break;
    if (tree.files.size >= MOST_FILES) {
      say("loading", t("too_many", { count: format.files(tree.files.size) }));
      break;
    }
  }
  if (folder !== folderInAddress() || !tree.folders.has(folder)) goTo(folderInAddress());
}

// Where one is, for the buttons of the browser: /session/ses_…#/designs/logo/
function folderInAddress() {
  try {
    const path = location.hash.startsWith("#/") ? location.hash.slice(2).split("/").map(decodeURIComponent).join("/") : root;
    return path.startsWith(root) && (path === "" || path.endsWith("/")) ? path : root;
  } catch {
    return root;
  }
}

function address(path) {
  return path === root ? location.pathname : `#/${path.split("/").map(encodeURIComponent).join("/")}`;
}

function goTo(path, from = null) {
  folder = complete && path !== root && !tree.folders.has(path) ? root : path;
  filter.value = "";
  list.selected.clear();
  redraw(from);
  crumbs();
}

function go(path, from = null) {
  history.pushState(null, "", address(path));
  goTo(path, from);
  list.grid.focus();
}

function up() {
  if (folder !== root) go(folderOf(folder), folder);
}

function enter(entry) {
  if (entry.isFolder) go(entry.path);
  else preview.open(list.entries.filter((other) => !other.isFolder), entry);
}

// From a preview: the list goes on where it was looked at last.
function back(file) {
  list.show(list.entries, folder, file.path);
  list.mark();
  list.grid.focus();
}

function redraw(from = null) {
  list.show(tree.entries(folder, sort.value, filter.value.trim()), folder, from);
  const none = list.entries.length === 0;
  slot("empty").hidden = !none || !complete;
  if (none) say("empty", filter.value.trim() ? t("none_found") : t("empty"));
  chose();
}

// Many files may arrive one after the other: they are shown together.
function redrawSoon() {
  drawing ||= setTimeout(() => {
    drawing = 0;
    if (isOver()) return;
    redraw();
    crumbs();
  }, 500);
}

function crumbs() {
  const parts = folder.slice(root.length).split("/").filter(Boolean);
  let path = root;
  const crumb = (name, to) => {
    const isHere = to === folder;
    const link = element("a", { href: address(to) }, name);
    if (isHere) link.setAttribute("aria-current", "page");
    link.addEventListener("click", (event) => {
      event.preventDefault();
      if (to !== folder) go(to);
    });
    return element("li", {}, link);
  };
  const top = root === "" ? t("all_files") : named(nameOf(root).slice(0, -1));
  const rest = parts.map((name) => crumb(named(name), (path += `${name}/`)));
  slot("crumbs").replaceChildren(crumb(top, root), ...rest);
}

// Of what is shown: something may be selected that a filter showed before.
function isAllSelected() {
  return list.entries.length > 0 && list.entries.every(({ path }) => list.selected.has(path));
}

function chose() {
  const count = list.selected.size;
  everything.checked = isAllSelected();
  everything.indeterminate = count > 0 && !everything.checked;
  say("selected", count > 0 ? t("selected", { number: count, count: format.number(count) }) : t("select_all"));
  slot("archive").hidden = isOwner || list.entries.length === 0;
  slot("archive").textContent = count > 0 ? t("archive_selected") : t("archive_all");
}

// What is selected, else all that is shown; a whole folder by its own name.
async function archive() {
  const chosen = [...list.selected];
  const isAll = (chosen.length === 0 || isAllSelected()) && !filter.value.trim();
  const paths = isAll ? [folder || "/"] : chosen.length > 0 ? chosen : list.entries.map((entry) => entry.path);
  await saving.archive(paths);
}

function offerMove() {
  const dialog = slot("mover");
  const link = dialog.querySelector("#move-link");
  const begin = dialog.querySelector('[data-do="make-move"]');
  const reset = () => {
    link.value = "";
    slot("qr", dialog).replaceChildren();
    slot("move-made", dialog).hidden = true;
    slot("move-offer", dialog).hidden = false;
    slot("moved", dialog).textContent = "";
  };
  reset();
  begin.onclick = () => whileBusy(begin, async () => {
    const answer = await ask("POST", "/v1/session/moves", { claim_key: tickets.opened(id)?.claim_key ?? "" });
    if (!answer.ok) {
      if (!isOver()) slot("moved", dialog).textContent = t("not_begun");
      return;
    }
    link.value = answer.content.url;
    slot("move-offer", dialog).hidden = true;
    slot("move-made", dialog).hidden = false;
    slot("qr", dialog).replaceChildren(code(answer.content.qr));
    slot("move_until", dialog).textContent = format.moment(Date.parse(answer.content.expires_at));
    link.focus();
    link.select();
  });
  dialog.querySelector('[data-do="copy-move"]').onclick = () => copy(link.value, slot("moved", dialog));
  dialog.querySelector('[data-do="close-move"]').onclick = () => dialog.close();
  // The link is a secret: it does not stay behind.
  dialog.onclose = reset;
  dialog.showModal();
}

function offerSending() {
  const place = slot("upload");
  const may = (path) => pins.some((pin) => pin === "/" || pin === path || (pin.endsWith("/") && path.startsWith(pin)));
  // Into the folder that is shown; where nothing may be put there, into the first one that takes something.
  const target = () => (may(`${folder}x`) ? folder : pins.find((pin) => pin.endsWith("/")) ?? folder);
  sending = new Sending(slot("sent", place), {
    ask, mayReplace: true,
    done: (transfer, upload) => {
      tree.put({ ...upload, created_at: upload.completed_at ?? upload.created_at });
      if (isOver()) sayArrived();
      else redrawSoon();
    },
  });
  offerFiles(place, (files) => {
    const into = target();
    sending.add(files.map(({ file, name }) => {
      const path = (into + name).normalize("NFC");
      return { file, path, why: may(path) ? "" : "forbidden" };
    }));
  });
  place.hidden = false;
}

async function whileBusy(button, action) {
  if (isBusy(button)) return;
  busy(button, true);
  await action();
  busy(button, false);
}
