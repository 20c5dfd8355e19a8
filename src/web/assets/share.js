// The page of a share: says what it would give, and opens it on a click.

import { call, isDead } from "./api.js";
import common from "./common.words.js";
import * as format from "./format.js";
import { warnInsideApps } from "./inside.js";
import { askRecipient, isRefused, proof } from "./recipient.js";
import words from "./share.words.js";
import { texts } from "./text.js";
import * as tickets from "./tickets.js";
import { busy, isBusy, on, say, sayAll, sayLater, sayNote, show, showRefusal, slot, title } from "./view.js";

const t = texts({ ...common, ...words });
const token = tickets.shareTokenIn(location.hash);
const name = token && tickets.isSupported() ? await tickets.nameOf(token) : null;
let wantsRecipient = false;
// Until then a claim could be of use, as far as is known yet.
let until = Date.now() + 15 * 86_400_000;

addEventListener("hashchange", () => location.reload());
addEventListener("pageshow", (event) => event.persisted && location.reload());
on("open", "click", ({ currentTarget }) => open(currentTarget));
on("again", "click", () => (tickets.claimKey(name) ? open(null) : look()));
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
  else showRefusal(answer);
  title();
}

function offer(share) {
  until = Date.parse(share.claim_by) + share.access_expires_in * 1000;
  show("offer");
  const nothing = share.item_count === 0;
  const count = format.files(share.item_count, share.more_items);
  sayAll("sender", share.sender);
  sayNote(share.message);
  say("items", nothing ? t("none") : t(share.more_items ? "at_least" : "in_all", { count, size: format.size(share.total_size) }));
  say("by", format.moment(Date.parse(share.claim_by)));
  say("rights", rights(share.permission === "write", nothing));
  const moves = token.startsWith("crm_");
  const span = format.span(share.access_expires_in - (moves ? share.access_expires_in % 60 : 0));
  say("span", t(moves ? "span_moved" : "span_after", { span }));
  slot("once").hidden = moves || !share.single_use;
  slot("several").hidden = moves || share.single_use;
  slot("moved").hidden = !moves;
  // Whoever made the link looks at it as a recipient would, and claims nothing.
  const yours = share.yours && Boolean(share.share);
  slot("claim").hidden = yours || Boolean(share.opens_at);
  wantsRecipient = share.requires.includes("recipient");
  if (wantsRecipient) askRecipient("/v1/shares/redeem/code", token, document.querySelector('[data-do="open"]'));
  sayLater(yours ? null : share.opens_at);
  slot("yours").hidden = !yours;
  if (yours) slot("view").href = `/session/${encodeURIComponent(share.share)}`;
  else warnInsideApps();
}

function rights(write, nothing) {
  if (nothing) return write ? t("rights_none_write") : t("rights_none");
  return write ? t("rights_write") : t("rights_read");
}

async function open(button) {
  if (button && isBusy(button)) return;
  const recipient = button && wantsRecipient ? proof() : undefined;
  if (recipient === null) return;
  if (button) {
    busy(button, true);
    say("status", t("opening"));
  }
  const claim_key = tickets.claimKeyFor(name, until);
  const answer = await call("POST", "/v1/shares/redeem", { body: { token, claim_key, recipient } });
  if (button) {
    busy(button, false);
    say("status");
  }
  if (answer.ok) enter(answer.content, claim_key);
  // A click from before may not have come to anything.
  else if (answer.code === "not_yet" || (!button && answer.code === "recipient_required")) await look();
  else if (button && wantsRecipient && isRefused(answer)) return;
  else if (button && !isDead(answer) && answer.status !== 429) say("status", t("not_now"));
  else showRefusal(answer);
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
