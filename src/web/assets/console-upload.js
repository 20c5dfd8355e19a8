// Adding files to the vault: picked or dropped, single or in their folders.

import { ask, signedIn } from "./console-ask.js";
import { Sending, offerFiles } from "./upload.js";
import { slot } from "./view.js";

// Files go into the folder that `folder` names when they are chosen; `changed` lists it again.
export function offerUpload(view, folder, changed) {
  const sending = new Sending(slot("sent", view), { ask, base: "/v1/uploads", done: changed, mayReplace: true });
  const add = (files) => {
    if (files.length === 0) return;
    slot("upload", view).hidden = false;
    sending.add(files.map(({ file, name }) => ({ file, path: (folder() + name).normalize("NFC") })));
  };
  offerFiles(view, add, () => !view.hidden && Boolean(signedIn.view?.may.upload));
}
