// The page of a share: says what it would give, and opens it on a click.

import { call, isDead } from "./api.js";
import * as format from "./format.js";
import * as tickets from "./tickets.js";
import { busy, isBusy, on, say, show, title } from "./view.js";

const token = tickets.tokenIn(location.hash, "crs_", 252);
const name = token && tickets.isSupported() ? await tickets.nameOf(token) : null;
// Until then a claim could be of use, as far as is known yet.
let until = Date.now() + 15 * 86_400_000;

addEventListener("hashchange", () => location.reload());
addEventListener("pageshow", (event) => event.persisted && location.reload());
on("open", "click", ({ currentTarget }) => open(currentTarget));
on("again", "click", ({ currentTarget }) => (tickets.claimKey(name) ? open(currentTarget) : look()));
await begin();

async function begin() {
  if (!tickets.isSupported()) show("unsupported");
  else if (!token) show("cut");
  else if (tickets.claimKey(name)) {
    // Somebody clicked here before: nothing is left to ask.
    show("opening");
    await open(null);
  } else await look();
  title();
}

async function look() {
  show("looking");
  const answer = await call("POST", "/v1/shares/redeem/preview", { body: { token } });
  if (answer.ok) offer(answer.content);
  else show(isDead(answer) ? "dead" : "trouble");
  title();
}

function offer(share) {
  until = Date.parse(share.claim_by) + share.access_expires_in * 1000;
  show("offer");
  const count = format.files(share.item_count, share.more_items);
  const nothing = share.item_count === 0;
  say("sender", share.sender);
  say("items", nothing ? "none yet" : `${count}, ${format.size(share.total_size)} in all`);
  say("by", format.moment(Date.parse(share.claim_by)));
  say("span", `${format.span(share.access_expires_in)} after you open it`);
  say("rights", rights(share.permission === "write", nothing));
}

function rights(write, nothing) {
  if (nothing) return write ? "There are none yet; you may add some." : "There are none yet.";
  return write ? "You may view and download them, and add files of your own." : "You may view and download them.";
}

async function open(button) {
  if (button && isBusy(button)) return;
  if (button) {
    busy(button, true);
    say("status", "Opening…");
  }
  const claim_key = tickets.claimKeyFor(name, until);
  const answer = await call("POST", "/v1/shares/redeem", { body: { token, claim_key } });
  if (button) busy(button, false);
  if (answer.ok) enter(answer.content, claim_key);
  else if (isDead(answer)) show("dead");
  else if (button) say("status", "That did not work, but nothing is lost: please try again, in this browser.");
  else show("trouble");
  title();
}

function enter(session, claim_key) {
  const ends = Date.parse(session.access_expires_at);
  tickets.keepClaim(name, ends);
  tickets.keepOpened(session.session, { kind: "session", token, claim_key, until: ends });
  tickets.prune();
  history.replaceState(null, "", location.pathname);
  location.replace(`/session/${encodeURIComponent(session.session)}`);
}
