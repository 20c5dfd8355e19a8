// The page of a file request: says what is asked for, and sends files.

import { call, isDead, now } from "./api.js";
import common from "./common.words.js";
import * as format from "./format.js";
import words from "./request.words.js";
import { texts } from "./text.js";
import * as tickets from "./tickets.js";
import { Sending, offerFiles } from "./upload.js";
import { busy, isBusy, on, say, sayAll, sayNote, show, showRefusal, slot, title } from "./view.js";

const t = texts({ ...common, ...words });
const token = tickets.tokenIn(location.hash, "crf_", 47);
const name = token && tickets.isSupported() ? await tickets.nameOf(token) : null;
const own = document.getElementById("name");
const password = document.getElementById("password");
const button = document.querySelector('[data-do="begin"] button');
// Until then a claim could be of use, as far as is known yet.
let until = Date.now() + 100 * 86_400_000;
let wantsPassword = false;
// The credential to send with, for this page only.
let credential = null;
let renewal = null;
let sending = null;
let isOver = false;

addEventListener("hashchange", () => location.reload());
addEventListener("pageshow", (event) => event.persisted && location.reload());
on("begin", "submit", begin);
on("again", "click", look);
if (!tickets.isSupported()) show("unsupported");
else if (!token) show("cut");
else await look();
title();

async function look() {
  const claim_key = tickets.claimKey(name);
  show(claim_key ? "opening" : "looking");
  const body = claim_key ? { token, claim_key } : { token };
  const answer = await call("POST", "/v1/file-requests/redeem/preview", { body });
  if (!answer.ok) showRefusal(answer);
  else if (claim_key && !answer.content.requires.includes("password")) await goOn();
  else offer(answer.content);
  title();
}

// Somebody clicked here before: nothing is left to ask.
async function goOn() {
  const answer = await open({});
  if (answer.ok) enter(answer.content);
  else showRefusal(answer);
}

function offer(asked) {
  show("offer");
  describe(asked);
  wantsPassword = asked.requires.includes("password");
  slot("password-field").hidden = !wantsPassword;
  password.required = wantsPassword;
}

function describe(asked) {
  sayAll("sender", asked.sender);
  sayNote(asked.message);
  const few = asked.objects_left === null ? t("any_number") : t("at_most", { count: format.files(asked.objects_left) });
  const limits = [few];
  if (asked.largest_file !== null) limits.push(t("each", { size: format.size(asked.largest_file) }));
  if (asked.bytes_left !== null) limits.push(t("all", { size: format.size(asked.bytes_left) }));
  say("files", limits.join(", "));
  say("types", asked.content_types.length === 0 ? t("any_type") : asked.content_types.join(", "));
  say("by", format.moment(Date.parse(asked.closes_at)));
}

async function begin() {
  if (isBusy(button)) return;
  busy(button, true);
  say("wrong");
  say("status", t("opening"));
  const answer = await open({
    ...(own.value.trim() && { name: own.value.trim() }),
    ...(wantsPassword && { password: password.value }),
  });
  busy(button, false);
  say("status");
  if (answer.ok) enter(answer.content);
  else if (isDead(answer)) show("dead");
  else if (answer.status === 403 && answer.code.startsWith("password_")) refuse(t("wrong_password"));
  else if (answer.status === 422) say("wrong", t("bad_name"));
  else if (answer.status === 429) refuse(t("too_many", { wait: format.wait(answer) }));
  else say("status", t("not_now"));
  title();
}

function open(proof) {
  const claim_key = tickets.claimKeyFor(name, until);
  return call("POST", "/v1/file-requests/redeem", { body: { token, claim_key, ...proof } });
}

function refuse(why) {
  wantsPassword = true;
  slot("password-field").hidden = false;
  say("wrong", why);
  password.select();
  password.focus();
}

// The token stays in the address: whoever has it may come back, and reload.
function enter(delivery) {
  const ends = Date.parse(delivery.access_expires_at);
  // Whichever comes first: of coming back, and of the request itself.
  until = Math.min(ends, Date.parse(delivery.closes_at));
  credential = delivery.session_token;
  tickets.keepClaim(name, ends);
  tickets.prune();
  if (now() >= until) {
    end();
    return;
  }
  show("open");
  describe(delivery);
  say("until", format.moment(until));
  if (sending) return;
  const place = slot("upload");
  place.querySelector("#chosen").accept = delivery.content_types.join(",");
  sending = new Sending(slot("sent", place), { ask, done: () => isOver && sayArrived() });
  offerFiles(place, (files) => sending.add(files.map(({ file, name }) => ({ file, path: name.normalize("NFC") }))));
  place.hidden = false;
}

function end() {
  isOver = true;
  show("over");
  sayArrived();
  title();
}

// What was cut off is not there, and whoever sent it has to know.
function sayArrived() {
  if (sending?.queue.total.files) say("arrived", sending.arrived);
}

// A call with the credential; `more` is for `call`. One that has ended is renewed, once.
async function ask(method, path, body, more = {}) {
  const headers = () => ({ ...more.headers, Authorization: `Bearer ${credential}` });
  const answer = await call(method, path, { body, headers: headers() });
  if (answer.status !== 401) return answer;
  renewal ??= open({}).finally(() => (renewal = null));
  const renewed = await renewal;
  if (isDead(renewed) || now() >= until) {
    end();
    return answer;
  }
  if (!renewed.ok) return { ...answer, status: 0 };
  credential = renewed.content.session_token;
  return call(method, path, { body, headers: headers() });
}
