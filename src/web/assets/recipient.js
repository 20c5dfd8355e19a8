// Who opens what goes to recipients alone: first an address, then the code that was sent there.

import { call } from "./api.js";
import * as format from "./format.js";
import words from "./recipient.words.js";
import { texts } from "./text.js";
import { busy, isBusy, on, say, slot } from "./view.js";

const t = texts(words);
// How long a mail may take before another is asked for, in milliseconds.
const PATIENCE = 30_000;

const address = document.getElementById("address");
const code = document.getElementById("code");
let asks = null;

on("send-code", "click", ({ currentTarget }) => send(currentTarget));
address.addEventListener("keydown", (event) => {
  // There is nothing to open yet.
  if (event.key !== "Enter" || !slot("recipient-code").hidden) return;
  event.preventDefault();
  send(document.querySelector('[data-do="send-code"]'));
});

// Asks for a recipient from now on. `route` sends codes for `token`; `opener` is of use when there is a code.
export function askRecipient(route, token, opener) {
  asks = { route, token, opener };
  slot("recipient").hidden = false;
  opener.hidden = slot("recipient-code").hidden;
}

async function send(button) {
  if (isBusy(button)) return;
  say("recipient-wrong");
  if (address.value.trim() === "" || !address.checkValidity()) return refuse(t("no_address"), address);
  busy(button, true);
  const answer = await call("POST", asks.route, { body: { token: asks.token, address: address.value.trim() } });
  if (answer.ok) {
    say("code-sent", t("sent"));
    slot("recipient-code").hidden = false;
    asks.opener.hidden = false;
    button.textContent = t("another");
    code.focus();
    setTimeout(() => busy(button, false), PATIENCE);
    return undefined;
  }
  busy(button, false);
  if (answer.status === 422) return refuse(t("no_address"), address);
  if (answer.status === 429) return refuse(t("too_many", { wait: format.wait(answer) }), address);
  // What has ended meanwhile says so when it is opened.
  return refuse(t("not_sent"), address);
}

// What goes with the token; null, and it says so, where something is missing.
export function proof() {
  const digits = code.value.replace(/\s/g, "");
  if (/^\d{8}$/.test(digits)) return { address: address.value.trim(), code: digits };
  refuse(t("no_code"), code);
  return null;
}

// Says why an answer was no, where it is about the recipient; whether it was.
export function isRefused(answer) {
  if (answer.code === "too_many_tries") refuse(t("too_many", { wait: format.wait(answer) }), code);
  else if (answer.code.startsWith("recipient_")) refuse(t("wrong"), code);
  else return false;
  return true;
}

function refuse(why, field) {
  say("recipient-wrong", why);
  field.select();
  field.focus();
}
