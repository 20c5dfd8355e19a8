// The list of a folder: rows of one height, of which only those in sight are on the page, so that ten thousand are no
// slower than ten. One place for the keyboard: the grid itself, which says which row is the current one.

import * as format from "./format.js";
import words from "./session.words.js";
import { texts } from "./text.js";
import { element, named } from "./view.js";

const t = texts(words);

// Rows beyond those in sight, above and below.
const MARGIN = 12;

const day = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium" });

export class List {
  entries = [];
  selected = new Set();
  current = 0;
  folder = "";
  drawn = new Map();
  height = 0;

  // `open` is called with an entry and its place, `save` with a file, `up` without, `chose` when something else is selected;
  // nothing can be where `picks` is false.
  constructor(grid, { open, save, up, chose, picks }) {
    Object.assign(this, { grid, open, save, up, chose, picks });
    grid.setAttribute("aria-multiselectable", String(picks));
    this.rows = element("div", { className: "rows" });
    this.rows.setAttribute("role", "rowgroup");
    grid.append(this.rows);
    grid.addEventListener("keydown", (event) => this.key(event));
    grid.addEventListener("focus", () => this.mark(false));
    addEventListener("scroll", () => this.later(), { passive: true });
    addEventListener("resize", () => {
      this.height = 0;
      this.later();
    });
  }

  // Shows these; the current row stays the same one where it is still there.
  show(entries, folder, path = null) {
    const kept = path ?? (folder === this.folder ? this.entries[this.current]?.path : null);
    Object.assign(this, { entries, folder });
    this.current = Math.max(0, kept === null ? 0 : entries.findIndex((entry) => entry.path === kept));
    this.grid.setAttribute("aria-rowcount", String(entries.length));
    this.drawn.forEach(({ row }) => row.remove());
    this.drawn.clear();
    this.draw();
  }

  later() {
    this.waiting ||= requestAnimationFrame(() => {
      this.waiting = 0;
      this.draw();
    });
  }

  draw() {
    const { entries, rows } = this;
    this.height ||= this.measured();
    const above = -rows.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(above / this.height) - MARGIN);
    const last = Math.min(entries.length, Math.ceil((above + innerHeight) / this.height) + MARGIN);
    for (const [place, { row }] of this.drawn) {
      if (place >= first && place < last) continue;
      row.remove();
      this.drawn.delete(place);
    }
    let next = null;
    for (let place = last - 1; place >= first; place -= 1) {
      const known = this.drawn.get(place) ?? this.made(place);
      if (known.row.nextSibling !== next || !known.row.parentNode) rows.insertBefore(known.row, next);
      next = known.row;
    }
    rows.style.setProperty("--before", `${first * this.height}px`);
    rows.style.setProperty("--after", `${Math.max(0, entries.length - last) * this.height}px`);
    this.mark(false);
  }

  measured() {
    const probe = element("div", { className: "row" });
    this.rows.append(probe);
    const { height } = probe.getBoundingClientRect();
    probe.remove();
    return height || 64;
  }

  made(place) {
    const entry = this.entries[place];
    const row = element("div", { className: "row", id: `row-${place}` });
    row.setAttribute("role", "row");
    row.setAttribute("aria-rowindex", String(place + 1));
    row.dataset.path = entry.path;
    const check = element("input", { type: "checkbox", tabIndex: -1, checked: this.selected.has(entry.path) });
    check.setAttribute("aria-label", t("select_one", { name: entry.name }));
    check.addEventListener("change", () => this.select(entry, check.checked));
    const name = element("span", { className: "name" }, named(entry.name));
    const about = element("span", { className: "about" }, ...this.about(entry));
    const open = element("button", { type: "button", className: "what", tabIndex: -1 }, icon(entry), element("span", {}, name, about));
    open.dataset.do = "entry";
    open.addEventListener("click", () => {
      this.current = place;
      this.open(entry, place);
    });
    const cells = [element("span", { className: "wide" }, open)];
    if (this.picks) cells.unshift(element("span", {}, check));
    if (!entry.isFolder) {
      const save = element("button", { type: "button", className: "small", tabIndex: -1, textContent: t("download") });
      save.dataset.do = "download";
      save.setAttribute("aria-label", t("download_of", { name: entry.name }));
      save.addEventListener("click", () => this.save(entry, save));
      cells.push(element("span", {}, save));
    }
    for (const cell of cells) cell.setAttribute("role", "gridcell");
    row.append(...cells);
    const made = { row, check };
    this.drawn.set(place, made);
    return made;
  }

  about(entry) {
    const size = format.size(entry.size);
    if (entry.isFolder) return [t("about_folder", { files: format.files(entry.count), size })];
    const text = t("about_file", { size, date: day.format(entry.time) });
    const below = entry.path.slice(this.folder.length, -entry.name.length);
    return below ? [`${text} · `, ...t.nodes("in_folder", { folder: named(below) })] : [text];
  }

  select(entry, is) {
    if (!this.picks) return;
    if (is) this.selected.add(entry.path);
    else this.selected.delete(entry.path);
    this.mark(false);
    this.chose();
  }

  selectAll(is) {
    if (!this.picks) return;
    this.selected.clear();
    if (is) this.entries.forEach((entry) => this.selected.add(entry.path));
    this.mark(false);
    this.chose();
  }

  // Brings the rows in line with what is selected and which is the current one.
  mark(scroll = true) {
    if (scroll) this.bring(this.current);
    for (const [place, { row, check }] of this.drawn) {
      const is = this.selected.has(this.entries[place].path);
      check.checked = is;
      if (this.picks) row.setAttribute("aria-selected", String(is));
      row.classList.toggle("current", place === this.current);
    }
    if (this.drawn.has(this.current)) this.grid.setAttribute("aria-activedescendant", `row-${this.current}`);
    else this.grid.removeAttribute("aria-activedescendant");
  }

  // Scrolls so far that a row is in sight.
  bring(place) {
    const top = this.rows.getBoundingClientRect().top + place * this.height;
    const hidden = Math.min(0, top - this.height) || Math.max(0, top + 2 * this.height - innerHeight);
    if (hidden !== 0) scrollBy({ top: hidden, behavior: "instant" });
    if (!this.drawn.has(place)) this.draw();
  }

  key(event) {
    const { entries, current } = this;
    if (event.target !== this.grid || event.altKey || entries.length === 0) {
      if (event.target === this.grid && event.key === "Backspace") this.up();
      return;
    }
    const page = Math.max(1, Math.floor(innerHeight / this.height) - 2);
    const to = {
      ArrowDown: current + 1, ArrowUp: current - 1, PageDown: current + page, PageUp: current - page, Home: 0, End: entries.length - 1,
    }[event.key];
    if (to !== undefined) {
      this.current = Math.min(Math.max(0, to), entries.length - 1);
      if (event.shiftKey && this.picks) this.selected.add(entries[this.current].path);
      this.mark();
      if (event.shiftKey) this.chose();
    } else if (event.key === "Enter") this.open(entries[current], current);
    else if (event.key === " ") this.select(entries[current], !this.selected.has(entries[current].path));
    else if (event.key === "Backspace") this.up();
    else if (event.key.toLowerCase() === "a" && (event.ctrlKey || event.metaKey)) this.selectAll(true);
    else if (event.key === "Escape" && this.selected.size > 0) this.selectAll(false);
    else return;
    event.preventDefault();
  }
}

// Drawn on the page once, and copied.
function icon({ isFolder, type }) {
  const kind = isFolder ? "folder" : /^(image|video|audio)\//.exec(type)?.[1] ?? "file";
  const svg = document.getElementById("icon").cloneNode(true);
  svg.removeAttribute("id");
  svg.firstElementChild.setAttribute("href", `#icon-${kind}`);
  return svg;
}
