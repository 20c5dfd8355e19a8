// Adding files to the vault: picked or dropped, single or in their folders.

import { ask, signedIn } from "./console-ask.js";
import { sender } from "./upload.js";
import { on, slot } from "./view.js";

// The routes of sessions are the tenant's own, but for where they begin.
const asTenant = (method, path, body) => ask(method, path.replace("/v1/session/uploads", "/v1/uploads"), body);

// Files go into the folder that `folder` names when they are chosen; `changed` lists it again.
export function offerUpload(view, folder, changed) {
  const list = slot("sent", view);
  const send = sender(list, { ask: asTenant, changed: async () => changed(), mayReplace: true });
  const add = (files) => {
    if (files.length === 0) return;
    slot("upload", view).hidden = false;
    list.hidden = false;
    for (const { file, name } of files) send(file, folder() + name);
  };
  for (const [name, id] of [["choose", "chosen"], ["choose-folder", "chosen-folder"]]) {
    const input = document.getElementById(id);
    on(name, "click", () => input.click());
    input.addEventListener("change", () => {
      add([...input.files].map((file) => ({ file, name: file.webkitRelativePath || file.name })));
      input.value = "";
    });
  }
  offerDrop(view, add);
}

function offerDrop(view, add) {
  const zone = slot("drop", view);
  const isWelcome = (event) => signedIn.view?.may.upload && event.dataTransfer.types.includes("Files");
  view.addEventListener("dragover", (event) => {
    if (!isWelcome(event)) return;
    event.preventDefault();
    zone.classList.add("over");
  });
  view.addEventListener("dragleave", (event) => view.contains(event.relatedTarget) || zone.classList.remove("over"));
  view.addEventListener("drop", async (event) => {
    if (!isWelcome(event)) return;
    event.preventDefault();
    zone.classList.remove("over");
    // Asked for at once: after the event they are gone.
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    const files = await Promise.all(entries.map((entry) => below(entry, "")));
    add(files.flat());
  });
}

// All files of what was dropped, folders with all that is in them.
async function below(entry, above) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return [{ file, name: above + entry.name }];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    // It answers a part at a time, and nothing at the end.
    const portion = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (portion.length === 0) break;
    found.push(...portion);
  }
  const inside = await Promise.all(found.map((inner) => below(inner, `${above}${entry.name}/`)));
  return inside.flat();
}
