// What administrators see besides: API keys, the audit trail; and usage, which everybody sees.

import { arrive, ask, fill, signedIn } from "./console-ask.js";
import { line, what, types } from "./console-history.js";
import { tag } from "./console-lists.js";
import { confirm, makeKey } from "./console-make.js";
import words from "./console.words.js";
import * as format from "./format.js";
import { texts } from "./text.js";
import { element, named, on, say, show, slot } from "./view.js";

const t = texts(words);
const brief = (text) => format.brief(Date.parse(text));
const type = document.getElementById("type");

on("new-key", "click", makeKey);
on("verify", "click", ({ currentTarget }) => verify(currentTarget));
type.append(element("option", { value: "", textContent: t("all_events") }));
for (const name of types()) type.append(element("option", { value: name, textContent: `${what({ type: name })} (${name})` }));
type.addEventListener("change", () => showAudit());

export async function showKeys() {
  const still = arrive();
  show("keys");
  await fill("/v1/api-keys", keyLine, still);
}

function keyLine(key) {
  const grants = key.grants.map(({ path, permission }) => element("span", { className: "about" }, ...t.nodes(`grant.${permission}`, { path: named(path) })));
  const ends = key.expires_at ? ` · ${t("ends_at", { when: brief(key.expires_at) })}` : "";
  const used = key.last_used_at ? ` · ${t("used_at", { when: brief(key.last_used_at) })}` : "";
  const about = element("span", { className: "about", textContent: `${key.preview} · ${t("made_at", { when: brief(key.created_at) })}${used}${ends}` });
  const name = key.label ?? key.preview;
  const state = element("span", { className: "state" }, tag(key.status));
  const whole = element("span", { className: "what" }, element("span", { className: "name" }, named(name)), ...grants, about);
  if (key.id === signedIn.view.principal.id) whole.append(element("span", { className: "about", textContent: t("own_key") }));
  else if (key.status === "active") {
    const button = element("button", { type: "button", className: "small danger", textContent: t("revoke") });
    button.setAttribute("aria-label", t("revoke_of", { name }));
    button.addEventListener("click", () => confirm("key", t("revoke"), () => ask("DELETE", `/v1/api-keys/${key.id}`), showKeys));
    state.append(button);
  }
  return element("li", {}, whole, state);
}

export async function showAudit() {
  const still = arrive();
  show("audit");
  say("verified");
  const query = type.value === "" ? "" : `?type=${encodeURIComponent(type.value)}`;
  await fill(`/v1/audit${query}`, (event) => line(event, true), still);
}

// Portion by portion, to the end or to the first record that is not as it must be.
async function verify(button) {
  const still = () => !document.querySelector("[data-view=audit]").hidden;
  button.disabled = true;
  say("fault");
  let cursor = "";
  let found;
  do {
    const answer = await ask("GET", `/v1/audit/verify${cursor}`);
    if (!still() || !answer.ok) button.disabled = false;
    if (!still()) return;
    if (!answer.ok) {
      say("verified");
      say("fault", t("not_loaded"));
      return;
    }
    found = answer.content;
    cursor = `?cursor=${encodeURIComponent(found.next_cursor)}`;
    if (found.next_cursor) say("verified", t("verifying", { count: format.number(found.records) }));
  } while (found.intact && found.next_cursor);
  button.disabled = false;
  if (found.intact) {
    say("verified", t("intact", { count: format.number(found.records), head: found.head }));
    if (found.redemptions && !found.redemptions.proven) say("fault", t("unproven", { id: found.redemptions.unproven[0].resource }));
  } else {
    say("verified");
    say("fault", t("broken", { number: format.number(found.broken.seq), problem: found.broken.problem }));
  }
}

export async function showUsage() {
  const still = arrive();
  show("usage");
  say("fault");
  const answer = await ask("GET", "/v1/usage");
  if (!still() || answer.status === 401) return;
  if (!answer.ok) {
    say("fault", t("not_loaded"));
    return;
  }
  const { tenant, key } = answer.content;
  const groups = [[t.nodes("usage_tenant", { name: named(signedIn.view.tenant.name) }), tenant]];
  if (key) groups.push([[t("usage_key")], key]);
  slot("items").replaceChildren(...groups.flatMap(([heading, usage]) => [
    element("h2", {}, ...heading),
    gauge(t("usage_bytes"), usage.bytes, usage.limits.bytes ?? null, format.size),
    gauge(t("usage_objects"), usage.objects, usage.limits.objects ?? null, format.number),
  ]));
}

function gauge(name, used, limit, shown) {
  const text = limit === null ? t("used_unlimited", { some: shown(used) }) : t("used", { some: shown(used), all: shown(limit) });
  const line = element("p", {}, element("strong", { textContent: name }), ` ${text}`);
  if (limit !== null) {
    const meter = element("meter", { min: 0, max: Math.max(limit, 1), value: used });
    meter.setAttribute("aria-label", `${name}: ${text}`);
    line.append(meter);
  }
  return line;
}
