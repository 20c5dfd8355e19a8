// The page of a link: says what it would open, asks for a password where one
// is wanted, and hands over to the artifact's own host.

import { call, isDead } from "./api.js";
import * as format from "./format.js";
import * as tickets from "./tickets.js";
import { busy, element, isBusy, on, say, show, slot, title } from "./view.js";

let token = tickets.tokenIn(location.hash, "crl_", 47);
let name = null;
let sender = "";
let wantsPassword = false;
// Until then a claim could be of use, as far as is known yet.
let until = Date.now() + 15 * 86_400_000;

const password = document.getElementById("password");
const button = document.querySelector("form button");

addEventListener("hashchange", () => location.reload());
addEventListener("pageshow", (event) => event.persisted && location.reload());
on("open", "submit", open);
on("again", "click", look);
await begin();

async function begin() {
  if (!tickets.isSupported()) show("unsupported");
  else if (token) await look();
  else if (location.hash.length > 1) show("cut");
  else listKept();
  title();
}

// Without a link: those that this browser may still come back to.
function listKept() {
  tickets.prune();
  const kept = tickets.allOpened("link");
  if (kept.length === 0) return show("cut");
  show("kept");
  slot("kept").replaceChildren(...kept.map((entry) => {
    const from = element("span", { className: "name" }, "From ", element("bdi", { dir: "auto", textContent: entry.sender }));
    const ends = element("span", { className: "about", textContent: `Until ${format.moment(entry.until)}` });
    const again = element("button", { type: "button", textContent: "Open again" });
    again.addEventListener("click", () => {
      token = entry.token;
      look().then(title);
    });
    return element("li", {}, element("span", { className: "what" }, from, ends), again);
  }));
}

async function look() {
  name = await tickets.nameOf(token);
  const claim_key = tickets.claimKey(name);
  show(claim_key ? "opening" : "looking");
  const body = claim_key ? { token, claim_key } : { token };
  const answer = await call("POST", "/v1/links/redeem/preview", { body });
  if (!answer.ok) show(isDead(answer) ? "dead" : "trouble");
  else {
    offer(answer.content, claim_key !== null);
    // Somebody clicked here before: nothing is left to ask.
    if (claim_key && !wantsPassword) await open();
  }
  title();
}

function offer(link, before) {
  sender = link.sender;
  wantsPassword = link.requires.includes("password");
  until = Date.parse(link.claim_by) + link.access_expires_in * 1000;
  const ends = tickets.opened(name)?.until;
  show("offer");
  say("sender", sender);
  say("items", `${format.files(link.item_count)}, ${format.size(link.total_size)} in all`);
  say("by", format.moment(ends ?? Date.parse(link.claim_by)));
  say("span", `${format.span(link.access_expires_in)} after you open it`);
  if (ends) say("by-name", "Open until");
  for (const part of ["span", "span-name", "once"]) slot(part).hidden = before;
  slot("password-field").hidden = !wantsPassword;
  password.required = wantsPassword;
}

async function open() {
  if (isBusy(button)) return;
  busy(button, true);
  say("wrong");
  say("status", "Opening…");
  const claim_key = tickets.claimKeyFor(name, until);
  const body = wantsPassword ? { token, claim_key, password: password.value } : { token, claim_key };
  const answer = await call("POST", "/v1/links/redeem", { body });
  busy(button, false);
  say("status");
  if (answer.ok) enter(answer.content);
  else if (isDead(answer)) show("dead");
  else if (answer.status === 403 && answer.code.startsWith("password_")) refuse();
  else say("status", "That did not work, but nothing is lost: please try again, in this browser.");
  title();
}

function refuse() {
  wantsPassword = true;
  slot("password-field").hidden = false;
  say("wrong", "This is not the password. The link still works: please try again.");
  password.select();
  password.focus();
}

function enter(opened) {
  const ends = Date.parse(opened.access_expires_at);
  tickets.keepClaim(name, ends);
  tickets.keepOpened(name, { kind: "link", token, sender, until: ends });
  tickets.prune();
  history.replaceState(null, "", location.pathname);
  const code = element("input", { type: "hidden", name: "code", value: opened.enter.code });
  const form = element("form", { method: "post", action: opened.enter.url, hidden: true }, code);
  document.body.append(form);
  form.submit();
}
