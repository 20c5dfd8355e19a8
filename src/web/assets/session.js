// The page of a session: lists its files, downloads them, renews itself.

import { call, isDead, now } from "./api.js";
import * as format from "./format.js";
import words from "./session.words.js";
import { texts } from "./text.js";
import * as tickets from "./tickets.js";
import { offerUpload } from "./upload.js";
import { busy, element, isBusy, named, on, say, show, slot, title } from "./view.js";

const t = texts(words);
const PAGE = 100;
// This long before it ends, a credential is renewed.
const AHEAD = 120_000;

const id = decodeURIComponent(location.pathname.split("/")[2] ?? "");
let expires = 0;
let ends = 0;
let cursor = null;
let renewal = null;
let timer = 0;

addEventListener("pageshow", (event) => event.persisted && location.reload());
document.addEventListener("visibilitychange", () => document.hidden || expires === 0 || keepAlive());
on("again", "click", begin);
on("more", "click", ({ currentTarget }) => whileBusy(currentTarget, () => list(cursor)));
await begin();

async function begin() {
  if (!tickets.isSupported()) show("unsupported");
  else {
    show("looking");
    const answer = await ask("GET", "/v1/session");
    if (answer.ok) await open(answer.content);
    else if (answer.status !== 401) show("trouble");
  }
  title();
}

async function open(session) {
  expires = Date.parse(session.expires_at);
  ends = Date.parse(session.access_expires_at);
  show("open");
  const write = session.permission === "write";
  say("sender", session.sender);
  say("rights", write ? t("rights_write") : t("rights_read"));
  say("until", format.moment(ends));
  setInterval(tick, 15_000);
  tick();
  keepAlive();
  await list(null);
  // Below the files, or these would push it down.
  if (write && expires > 0) offerUpload(slot("upload"), session.paths, ask, () => list(null));
}

// A call in this session. A credential that has ended is renewed, once.
async function ask(method, path, body) {
  const headers = { "Cloakroom-Session": id };
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
  show("over");
  title();
}

function tick() {
  if (expires === 0) return;
  const left = (ends - now()) / 1000;
  say("left", left > 0 ? t("left", { span: format.span(left > 60 ? left - (left % 60) : left) }) : "");
}

async function list(from) {
  const query = new URLSearchParams({ limit: PAGE });
  if (from) query.set("cursor", from);
  const answer = await ask("GET", `/v1/session/objects?${query}`);
  if (expires === 0) return;
  if (!answer.ok) {
    say("fault", t("not_listed"));
    return;
  }
  say("fault");
  const rows = answer.content.items.map(row);
  if (from) {
    slot("files").append(...rows);
    rows[0]?.querySelector("button").focus();
  } else slot("files").replaceChildren(...rows);
  cursor = answer.content.next_cursor;
  slot("more").hidden = cursor === null;
  slot("empty").hidden = slot("files").childElementCount > 0;
}

function row(file) {
  const cut = file.path.lastIndexOf("/") + 1;
  const name = file.path.slice(cut);
  const about = [format.size(file.size), file.content_type.split(";")[0]];
  const details = element("span", { className: "about", textContent: about.join(" · ") });
  if (cut > 0) {
    details.append(" · ", ...t.nodes("in_folder", { folder: named(file.path.slice(0, cut)) }));
  }
  const button = element("button", { type: "button", textContent: t("download") });
  button.setAttribute("aria-label", t("download_of", { name }));
  button.addEventListener("click", () => whileBusy(button, () => download(file.path, name)));
  const shownName = element("span", { className: "name" }, named(name));
  return element("li", {}, element("span", { className: "what" }, shownName, details), button);
}

async function download(path, name) {
  say("fault");
  const answer = await ask("POST", "/v1/session/downloads", { path });
  if (expires === 0) return;
  if (!answer.ok) {
    say("fault", answer.status === 404 ? t("gone", { name }) : t("not_begun"));
    return;
  }
  // In a tab of its own: this page may be sending files.
  const way = () => element("a", { href: answer.content.url, target: "_blank", rel: "noopener noreferrer" });
  const link = way();
  link.textContent = t("begun_link");
  slot("status").replaceChildren(...t.nodes("begun", { name: named(name), link }));
  way().click();
}

async function whileBusy(button, action) {
  if (isBusy(button)) return;
  busy(button, true);
  await action();
  busy(button, false);
}
