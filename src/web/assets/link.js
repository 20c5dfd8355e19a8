// The page of a link: says what it would open, asks for a password where one
// is wanted, and hands over to the artifact's own host.

import { call, isDead, now } from "./api.js";
import common from "./common.words.js";
import * as format from "./format.js";
import { warnInsideApps } from "./inside.js";
import { askRecipient, isRefused, proof } from "./recipient.js";
import words from "./link.words.js";
import { texts } from "./text.js";
import * as tickets from "./tickets.js";
import { busy, element, isBusy, named, on, say, sayAll, sayLater, sayNote, show, showRefusal, slot, title } from "./view.js";

const t = texts({ ...common, ...words });
let token = tickets.tokenIn(location.hash, "crl_", 47);
let name = null;
let sender = "";
let wantsPassword = false;
let wantsRecipient = false;
// Until then a claim could be of use, as far as is known yet.
let until = Date.now() + 15 * 86_400_000;

const password = document.getElementById("password");
const button = document.querySelector("form button.main");

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
  // Only shown: what is over is forgotten once the server's clock is known.
  const kept = tickets.allOpened("link").filter((entry) => entry.until > now());
  if (kept.length === 0) return show("cut");
  show("kept");
  slot("kept").replaceChildren(...kept.map((entry) => {
    const from = element("span", { className: "name" }, ...t.nodes("from", { sender: named(entry.sender) }));
    const ends = element("span", { className: "about", textContent: t("until", { moment: format.moment(entry.until) }) });
    const again = element("button", { type: "button", textContent: t("open_again") });
    again.addEventListener("click", () => {
      token = entry.token;
      look().then(title);
    });
    return element("li", {}, element("span", { className: "what" }, from, ends), again);
  }));
  return undefined;
}

async function look() {
  name = await tickets.nameOf(token);
  const claim_key = tickets.claimKey(name);
  show(claim_key ? "opening" : "looking");
  const body = claim_key ? { token, claim_key } : { token };
  const answer = await call("POST", "/v1/links/redeem/preview", { body });
  if (!answer.ok) showRefusal(answer);
  else {
    offer(answer.content, claim_key !== null);
    // Somebody clicked here before: nothing is left to ask.
    if (claim_key && !wantsPassword && !wantsRecipient) await open();
  }
  title();
}

function offer(link, before) {
  sender = link.sender;
  wantsPassword = link.requires.includes("password");
  wantsRecipient = link.requires.includes("recipient");
  until = Date.parse(link.claim_by) + link.access_expires_in * 1000;
  const ends = tickets.opened(name)?.until;
  show("offer");
  sayAll("sender", sender);
  sayNote(link.message);
  say("items", t("in_all", { count: format.files(link.item_count), size: format.size(link.total_size) }));
  say("by", format.moment(ends ?? Date.parse(link.claim_by)));
  say("span", t("span_after", { span: format.span(link.access_expires_in) }));
  if (ends) say("by-name", t("open_until"));
  for (const part of ["span", "span-name"]) slot(part).hidden = before;
  slot("once").hidden = before || !link.single_use;
  slot("several").hidden = before || link.single_use;
  slot("password-field").hidden = !wantsPassword;
  password.required = wantsPassword;
  if (wantsRecipient) askRecipient("/v1/links/redeem/code", token, button);
  // Whoever made the link looks at it as a recipient would, and claims nothing.
  button.form.hidden = link.yours || Boolean(link.opens_at);
  sayLater(link.yours ? null : link.opens_at);
  slot("yours").hidden = !link.yours;
  if (!link.yours) warnInsideApps();
}

async function open() {
  if (isBusy(button)) return;
  const recipient = wantsRecipient ? proof() : undefined;
  if (recipient === null) return;
  busy(button, true);
  say("wrong");
  say("status", t("opening"));
  const claim_key = tickets.claimKeyFor(name, until);
  const body = { token, claim_key, recipient, ...(wantsPassword && { password: password.value }) };
  const answer = await call("POST", "/v1/links/redeem", { body });
  busy(button, false);
  say("status");
  if (answer.ok) enter(answer.content);
  else if (isDead(answer)) show("dead");
  else if (answer.code === "not_yet") await look();
  else if (wantsRecipient && isRefused(answer)) return;
  else if (answer.status === 403 && answer.code.startsWith("password_")) refuse(t("wrong_password"));
  else if (answer.status === 429) refuse(t("too_many", { wait: format.wait(answer) }));
  else say("status", t("not_now"));
  title();
}

function refuse(why) {
  wantsPassword = true;
  slot("password-field").hidden = false;
  say("wrong", why);
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
