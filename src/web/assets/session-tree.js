// Files by their folders. Knows nothing of a page.

import { language } from "./text.js";

const collator = new Intl.Collator(language, { numeric: true, sensitivity: "base" });

const ORDERS = {
  name: (a, b) => collator.compare(a.name, b.name),
  size: (a, b) => b.size - a.size || collator.compare(a.name, b.name),
  newest: (a, b) => (b.time ?? 0) - (a.time ?? 0) || collator.compare(a.name, b.name),
};

export const nameOf = (path) => path.slice(path.lastIndexOf("/", path.length - 2) + 1);
export const folderOf = (path) => path.slice(0, path.lastIndexOf("/", path.length - 2) + 1);

// The folder that all pins lie in: what need not be walked through to reach anything.
export function commonFolder(pins) {
  const folders = pins.map((pin) => (pin === "/" ? "" : pin.endsWith("/") ? pin : folderOf(pin)));
  let common = folders[0] ?? "";
  for (const folder of folders) {
    while (!folder.startsWith(common)) common = folderOf(common);
  }
  return common;
}

export class Tree {
  files = new Map();
  folders = new Map();
  // What was shown last: its order is kept, since sorting what is nearly sorted is little work.
  last = { folder: null, order: null, entries: [] };

  // Adds a file, or what it has become.
  put({ path, size, content_type, created_at }) {
    const known = this.files.get(path);
    const file = { path, name: nameOf(path), size, type: content_type.split(";")[0].trim().toLowerCase(), time: Date.parse(created_at) };
    this.files.set(path, file);
    let below = file;
    for (let above = folderOf(path); ; above = folderOf(above)) {
      const folder = this.folder(above);
      folder.entries.set(below.path, below);
      folder.count += known ? 0 : 1;
      folder.size += size - (known?.size ?? 0);
      folder.time = Math.max(folder.time, file.time);
      if (above === "") return;
      below = folder;
    }
  }

  folder(path) {
    let folder = this.folders.get(path);
    if (!folder) {
      folder = { path, name: nameOf(path).slice(0, -1), isFolder: true, count: 0, size: 0, time: 0, entries: new Map() };
      this.folders.set(path, folder);
    }
    return folder;
  }

  // What a folder shows: folders first. With a filter: every file below whose path has these words in it.
  entries(folder, order, filter) {
    const compare = ORDERS[order];
    if (filter) {
      const words = filter.toLocaleLowerCase(language).split(/\s+/).filter(Boolean);
      const fits = (file) => {
        const text = file.path.slice(folder.length).toLocaleLowerCase(language);
        return file.path.startsWith(folder) && words.every((word) => text.includes(word));
      };
      return [...this.files.values()].filter(fits).sort(compare);
    }
    const known = this.folders.get(folder)?.entries ?? new Map();
    const before = this.last.folder === folder && this.last.order === order ? this.last.entries : [];
    // Nothing is ever taken out, and what is new comes last.
    const entries = [...before.map(({ path }) => known.get(path)), ...[...known.values()].slice(before.length)];
    entries.sort((a, b) => Number(Boolean(b.isFolder)) - Number(Boolean(a.isFolder)) || compare(a, b));
    this.last = { folder, order, entries };
    return entries;
  }
}
