// The vault as folders: look, select, download, add.

import { arrive, ask, parts, signedIn } from "./console-ask.js";
import { makeLink, makeRequest, makeShare } from "./console-make.js";
import { offerUpload } from "./console-upload.js";
import words from "./console.words.js";
import * as format from "./format.js";
import { texts } from "./text.js";
import { busy, element, isBusy, named, on, say, show, slot } from "./view.js";

const t = texts(words);
// So many files are asked for at a time, and at most so many times for one folder.
const PAGE = 1000;
const MOST_PAGES = 20;
// So many lines are shown at first, and more each time.
const STEP = 300;

const view = document.querySelector('[data-view="files"]');
const filter = document.getElementById("filter");
const all = document.getElementById("all");
const byName = new Intl.Collator(document.documentElement.lang, { numeric: true }).compare;

// The folder that is shown: its path, what is in it by path, and what of that is selected.
let folder = "";
let entries = new Map();
let lines = new Map();
let selected = new Set();
let shown = STEP;
let isWhole = true;

filter.addEventListener("input", () => {
  shown = STEP;
  render();
});
all.addEventListener("change", () => {
  for (const { path } of fitting()) choose(path, all.checked);
  for (const [path, line] of lines) line.querySelector("input").checked = selected.has(path);
  tellSelected();
});
slot("more", view).querySelector("button").addEventListener("click", () => {
  const before = slot("items", view).childElementCount;
  shown += STEP;
  render();
  slot("items", view).children[before]?.querySelector("input, a")?.focus();
});
on("share", "click", () => makeShare(pins()));
on("publish", "click", () => makeLink(pins()));
on("request", "click", () => makeRequest(folderToAskFor()));
offerUpload(view, () => folder, listSoon);

// Many files may arrive one after the other: they are listed together.
let listing = 0;
function listSoon() {
  clearTimeout(listing);
  listing = setTimeout(() => view.hidden || load(stillIn(folder)), 500);
}

function stillIn(path) {
  return () => !view.hidden && folder === path;
}

export const addressOf = (path) => `/console/files/${path.split("/").map(encodeURIComponent).join("/")}`;

export async function showFiles() {
  const still = arrive();
  const path = parts().slice(1).join("/");
  folder = path === "" ? "" : `${path}/`;
  [entries, lines, selected, shown] = [new Map(), new Map(), new Set(), STEP];
  filter.value = "";
  show("files");
  crumbs();
  const wanted = new URLSearchParams(location.search).get("for");
  slot("hint").hidden = wanted === null;
  slot("hint").textContent = wanted === "site" ? t("choose_site") : t("choose_files");
  slot("items").replaceChildren();
  slot("none").hidden = true;
  for (const name of ["fault", "status", "summary", "partial"]) say(name);
  tellSelected();
  await load(still);
}

async function load(still) {
  const found = new Map();
  let cursor = null;
  let page = 0;
  do {
    const query = new URLSearchParams({ prefix: folder, limit: PAGE });
    if (cursor) query.set("cursor", cursor);
    const answer = await ask("GET", `/v1/objects?${query}`);
    if (!still()) return;
    if (!answer.ok) {
      say("fault", t("not_loaded"));
      return;
    }
    for (const file of answer.content.items) add(found, file);
    cursor = answer.content.next_cursor;
    page += 1;
    isWhole = cursor === null;
    entries = found;
    render();
  } while (cursor !== null && page < MOST_PAGES);
  say("partial", isWhole ? "" : t("partial", { count: format.number(PAGE * MOST_PAGES) }));
  // What is gone is selected no more.
  selected = new Set([...selected].filter((path) => entries.has(path)));
  tellSelected();
}

function add(found, file) {
  const rest = file.path.slice(folder.length);
  const slash = rest.indexOf("/");
  if (slash < 0) {
    found.set(file.path, { path: file.path, name: rest, isFolder: false, size: file.size, about: file });
    return;
  }
  const path = folder + rest.slice(0, slash + 1);
  const entry = found.get(path) ?? { path, name: rest.slice(0, slash), isFolder: true, size: 0, count: 0 };
  entry.size += file.size;
  entry.count += 1;
  found.set(path, entry);
}

function fitting() {
  const wanted = filter.value.trim().toLocaleLowerCase();
  const found = [...entries.values()].filter(({ name }) => name.toLocaleLowerCase().includes(wanted));
  return found.sort((a, b) => Number(b.isFolder) - Number(a.isFolder) || byName(a.name, b.name));
}

function render() {
  const found = fitting();
  const focused = document.activeElement;
  slot("items").replaceChildren(...found.slice(0, shown).map(lineOf));
  if (slot("items").contains(focused)) focused.focus();
  slot("more").hidden = found.length <= shown;
  slot("none").hidden = found.length > 0;
  slot("all").hidden = found.length < 2;
  const folders = found.filter((entry) => entry.isFolder).length;
  const files = found.length - folders;
  const size = found.reduce((sum, entry) => sum + entry.size, 0);
  say("summary", t("same.summary", {
    folders: t("folders", { number: folders, count: format.number(folders) }),
    files: t("file", { number: files, count: format.number(files) }),
    size: format.size(size),
  }));
}

// Kept while it stays the same, so that nothing moves under a finger.
function lineOf(entry) {
  const about = aboutOf(entry);
  const kept = lines.get(entry.path);
  if (kept) {
    kept.querySelector(".about").textContent = about;
    return kept;
  }
  const box = element("input", { type: "checkbox", checked: selected.has(entry.path) });
  box.setAttribute("aria-label", t("select", { name: entry.name }));
  box.addEventListener("change", () => {
    choose(entry.path, box.checked);
    tellSelected();
  });
  const name = entry.isFolder
    ? element("a", { className: "name", href: addressOf(entry.path) + location.search }, named(entry.name), "/")
    : element("span", { className: "name" }, named(entry.name));
  const line = element("li", {}, box, element("span", { className: "what" }, name, element("span", { className: "about", textContent: about })));
  if (!entry.isFolder) line.append(downloadOf(entry));
  lines.set(entry.path, line);
  return line;
}

function aboutOf({ isFolder, size, count, about }) {
  if (!isFolder) return [format.size(size), about.content_type.split(";")[0], format.brief(Date.parse(about.created_at))].join(" · ");
  const files = t("file", { number: count, count: format.number(count) });
  return isWhole ? t("same.within", { files, size: format.size(size) }) : t("within_so_far", { files });
}

function choose(path, is) {
  if (is) selected.add(path);
  else selected.delete(path);
}

function tellSelected() {
  const count = selected.size;
  const { share, publish } = signedIn.view.may;
  slot("selection", view).hidden = count === 0 || !(share || publish);
  slot("selected", view).textContent = count === 0 ? "" : t("selected", { number: count, count: format.number(count) });
  const found = fitting();
  all.checked = count > 0 && found.every(({ path }) => selected.has(path));
  all.indeterminate = count > 0 && !all.checked;
}

const pins = () => [...selected].sort();

function folderToAskFor() {
  if (!view.hidden && folder !== "") return folder;
  const grants = signedIn.view.principal.grants.filter(({ path, permission }) => path.endsWith("/") && permission !== "read");
  const base = grants.some(({ path }) => path === "/") ? "" : (grants[0]?.path ?? "");
  return `${base}incoming/`;
}

function crumbs() {
  const names = folder.split("/").filter((name) => name !== "");
  const crumb = (path, content) => {
    const isHere = path === folder;
    const link = element("a", { href: (path === "" ? "/console/files" : addressOf(path)) + location.search }, content);
    if (isHere) link.setAttribute("aria-current", "location");
    return element("li", {}, link);
  };
  const below = names.map((name, place) => crumb(`${names.slice(0, place + 1).join("/")}/`, named(name)));
  slot("crumbs").parentElement.hidden = names.length === 0;
  slot("crumbs").replaceChildren(crumb("", t("all_files")), ...below);
  slot("here").replaceChildren(names.length === 0 ? t("all_files") : named(names.at(-1)));
}

function downloadOf(entry) {
  const button = element("button", { type: "button", className: "small", textContent: t("download") });
  button.setAttribute("aria-label", t("download_of", { name: entry.name }));
  button.addEventListener("click", async () => {
    if (isBusy(button)) return;
    busy(button, true);
    say("fault");
    const answer = await ask("POST", "/v1/objects/downloads", { path: entry.path });
    busy(button, false);
    if (answer.ok) element("a", { href: answer.content.url, target: "_blank", rel: "noopener noreferrer" }).click();
    else if (answer.status !== 401) say("fault", answer.status === 404 ? t("gone", { name: entry.name }) : t("not_begun"));
  });
  return button;
}
