// What happened, in words: to one thing, or to everything.

import words from "./console.words.js";
import * as format from "./format.js";
import { texts } from "./text.js";
import { element, named } from "./view.js";

const t = texts(words);
const PLACES = { shr: "file-links", lnk: "site-links", frq: "file-requests" };

// Where the console tells more about what has this id.
export function placeOf(id) {
  const place = PLACES[id.split("_")[0]];
  return place ? `/console/${place}/${id}` : null;
}

export function what(event) {
  const key = `event.${event.type}`;
  const said = t.has(key) ? t(`event.${event.type}`) : event.type;
  const done = event.changed ? t("same.because", { what: said, reason: event.changed.map((field) => t(`field.${field}`)).join(", ") }) : said;
  if (!event.reason) return done;
  const reason = t.has(`reason.${event.reason}`) ? t(`reason.${event.reason}`) : event.reason;
  return t("same.because", { what: done, reason });
}

function who({ kind, label }) {
  if (!label) return [t(`actor.${kind}`)];
  return kind === "console" ? t.nodes("in_console", { name: named(label) }) : [named(label)];
}

// One event as a line; with the way to what it is about, where that is not clear.
export function line(event, isLinked) {
  const [thing, act] = event.type.split(".");
  const told = isLinked && act !== "created" && t.has(`thing.${thing}`) ? t("same.of_thing", { thing: t(`thing.${thing}`), what: what(event) }) : what(event);
  const text = event.count ? `${told} · ${t("times", { number: event.count, count: format.number(event.count) })}` : told;
  const place = isLinked ? placeOf(event.resource) : null;
  const head = place ? element("a", { href: place, textContent: text }) : element("span", { textContent: text });
  const by = element("span", {}, ...who(event.actor));
  const time = element("time", { dateTime: event.at, textContent: format.moment(Date.parse(event.at)) });
  const about = element("span", { className: "about" }, time, " · ", ...t.nodes("history_by", { name: by }));
  if (isLinked) about.append(" · ", element("code", { textContent: event.resource }));
  if (event.client) about.append(" · ", element("bdi", { title: event.client.user_agent ?? "", textContent: event.client.address }));
  return element("li", { className: event.outcome }, head, about);
}

// All types of events that there are words for.
export function types() {
  return Object.entries(words.event).flatMap(([thing, acts]) => Object.keys(acts).map((act) => `${thing}.${act}`));
}
