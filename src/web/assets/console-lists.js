// What was made: file links, site links and file requests, as lists, and each
// with its state and its history.

import { arrive, ask, fill, parts } from "./console-ask.js";
import { addressOf } from "./console-files.js";
import { line } from "./console-history.js";
import { confirm, makeLink } from "./console-make.js";
import words from "./console.words.js";
import * as format from "./format.js";
import { texts } from "./text.js";
import { element, named, say, show, slot } from "./view.js";

const t = texts(words);
const time = (text) => format.moment(Date.parse(text));
const brief = (text) => format.brief(Date.parse(text));

// Sites by their ids, for the names of links to them.
let sites = new Map();

const KINDS = {
  "file-links": {
    route: "/v1/shares",
    confirm: "share",
    end: () => t("revoke"),
    name: (share) => share.label ?? pathsOf(share.paths),
    about: (share) => [t("made_at", { when: brief(share.created_at) }), ...(share.status === "pending" ? [t("until", { when: brief(share.expires_at) })] : [])],
    facts: (share) => [
      ["paths", listOf(share.paths)],
      ["permission", t(share.permission)],
      ...(share.not_before ? [["opens", time(share.not_before)]] : []),
      ["until", time(share.expires_at)],
      ["access", spanOf(share.access_expires_in)],
      ...(share.redemptions > 1 ? [["openings", t("of", { some: format.number(share.claims), all: format.number(share.redemptions) })]] : []),
      ...(share.allowed_networks ? [["networks", share.allowed_networks.join(", ")]] : []),
      ...meant(share),
      ...told(share),
    ],
    viewAs: (share) => (["pending", "claimed"].includes(share.status) ? `/session/${share.id}` : null),
    ended: (share) => share.revoked_at,
  },
  "site-links": {
    route: "/v1/links",
    confirm: "link",
    end: () => t("revoke"),
    name: (link) => link.label ?? nameOfSite(sites.get(link.artifact)) ?? link.artifact,
    about: (link) => [t("made_at", { when: brief(link.created_at) }), ...(link.status === "pending" ? [t("until", { when: brief(link.expires_at) })] : [])],
    facts: (link) => [
      ["site", named(nameOfSite(sites.get(link.artifact)) ?? link.artifact)],
      ["password", t(link.has_password ? "yes" : "no")],
      ...(link.not_before ? [["opens", time(link.not_before)]] : []),
      ["until", time(link.expires_at)],
      ["access", spanOf(link.access_expires_in)],
      ...(link.redemptions > 1 ? [["openings", t("of", { some: format.number(link.claims), all: format.number(link.redemptions) })]] : []),
      ...(link.allowed_networks ? [["networks", link.allowed_networks.join(", ")]] : []),
      ...meant(link),
      ...told(link),
    ],
    viewAs: () => null,
    ended: (link) => link.revoked_at,
  },
  "file-requests": {
    route: "/v1/file-requests",
    confirm: "request",
    end: () => t("close_request"),
    name: (request) => request.label ?? request.folder,
    about: (request) => [t("made_at", { when: brief(request.created_at) }), ...(request.status === "open" ? [t("takes_until", { when: brief(request.expires_at) })] : [])],
    facts: (request) => [
      ["folder", element("a", { href: addressOf(request.folder) }, named(request.folder))],
      ...(request.usage ? [["received", t("same.within", { files: files(request.usage.objects), size: format.size(request.usage.bytes) })]] : []),
      ["people", t("of", { some: format.number(request.submissions), all: format.number(request.most_submissions) })],
      ["closes", time(request.expires_at)],
      ["limits", limits(request)],
      ["password", t(request.has_password ? "yes" : "no")],
      ...told(request),
    ],
    viewAs: () => null,
    ended: (request) => request.closed_at,
  },
};

// To whom it goes, and who of them has opened it.
function meant({ recipients }) {
  if (!recipients) return [];
  const who = ({ address, claimed_at: at }) => (at ? t("recipient_opened", { address, when: brief(at) }) : address);
  const noted = ({ purpose, consent }) => [purpose, consent].map((note) => (note ? ` · ${note}` : "")).join("");
  const line = (one) => element("li", {}, named(who(one) + noted(one)));
  return [["recipients", element("ul", { className: "pins" }, ...recipients.map(line))]];
}

const told = (made) => (made.message ? [["message", named(made.message)]] : []);

// In the words in which it was chosen.
const spanOf = (seconds) => (t.has(`spans.${seconds}`) ? t(`spans.${seconds}`) : format.span(seconds));

const files = (count) => t("file", { number: count, count: format.number(count) });

function pathsOf(paths) {
  const first = paths[0] === "/" ? t("everything") : paths[0];
  return paths.length === 1 ? first : t("paths_more", { path: first, count: format.number(paths.length - 1) });
}

const listOf = (paths) => element("ul", { className: "pins" }, ...paths.map((path) => element("li", {}, named(path === "/" ? t("everything") : path))));

const nameOfSite = (site) => (site ? (site.label ?? files(site.file_count)) : null);

function limits({ limits: { bytes, objects }, largest_file: largest, content_types: types }) {
  const all = [
    objects !== null && t("limit.objects", { files: files(objects) }),
    bytes !== null && t("limit.bytes", { size: format.size(bytes) }),
    largest !== null && t("limit.largest", { size: format.size(largest) }),
    types.length > 0 && t("limit.types", { types: types.join(", ") }),
  ];
  return all.filter(Boolean).join(", ") || t("none");
}

const GOOD = ["claimed", "open", "active", "published"];
const BAD = ["revoked", "closed", "deleted"];

export function tag(status) {
  const kind = GOOD.includes(status) ? " good" : BAD.includes(status) ? " bad" : "";
  return element("span", { className: `tag${kind}`, textContent: t(`status.${status}`) });
}

async function fetchSites() {
  const answer = await ask("GET", "/v1/artifacts?limit=1000");
  if (answer.ok) sites = new Map(answer.content.items.map((site) => [site.id, site]));
  return answer.ok;
}

export async function showList(place) {
  const still = arrive();
  const kind = KINDS[place];
  show(place);
  if (place === "site-links") {
    await fetchSites();
    if (!still()) return;
    listSites();
  }
  await fill(kind.route, (thing) => {
    const link = element("a", { className: "name", href: `/console/${place}/${thing.id}` }, named(kind.name(thing)));
    const about = element("span", { className: "about", textContent: kind.about(thing).join(" · ") });
    return element("li", {}, element("span", { className: "what" }, link, about), element("span", { className: "state" }, tag(thing.status)));
  }, still);
}

function listSites() {
  const published = [...sites.values()].filter((site) => site.status === "published");
  slot("sites").replaceChildren(...published.map((site) => {
    const name = nameOfSite(site);
    const about = t("same.within", { files: files(site.file_count), size: format.size(site.total_size) });
    const button = (text, label, action) => {
      const made = element("button", { type: "button", className: "small", textContent: text });
      made.setAttribute("aria-label", label);
      made.addEventListener("click", action);
      return made;
    };
    const unpublish = () => confirm("artifact", t("unpublish"), () => ask("DELETE", `/v1/artifacts/${site.id}`), () => showList("site-links"));
    return element("li", {},
      element("span", { className: "what" }, element("span", { className: "name" }, named(name)), element("span", { className: "about", textContent: `${about} · ${t("made_at", { when: brief(site.created_at) })}` })),
      button(t("another_link"), t("link_to", { name }), () => makeLink([name], site.id)),
      button(t("unpublish"), t("unpublish_of", { name }), unpublish),
    );
  }));
  slot("no-sites").hidden = published.length > 0;
}

export async function showThing(place) {
  const still = arrive();
  const kind = KINDS[place];
  const path = `${kind.route}/${encodeURIComponent(parts()[1])}`;
  if (place === "site-links") await fetchSites();
  const answer = await ask("GET", path);
  if (!still() || answer.status === 401) return;
  if (!answer.ok) {
    show(answer.status === 404 ? "not-here" : "trouble");
    return;
  }
  const thing = answer.content;
  show("thing");
  slot("back").href = `/console/${place}`;
  slot("name").replaceChildren(named(kind.name(thing)));
  const made = { when: time(thing.created_at), name: named(thing.created_by?.label ?? thing.created_by?.id ?? "") };
  const facts = [["status", tag(thing.status)], ...kind.facts(thing), ["made", t.nodes("by_whom", made)]];
  const ended = kind.ended(thing);
  if (ended) facts.push(["ended", time(ended)]);
  slot("facts").replaceChildren(...facts.flatMap(([name, content]) => {
    return [element("dt", { textContent: t(`fact.${name}`) }), element("dd", {}, ...[content].flat())];
  }));
  const seen = kind.viewAs(thing);
  slot("view-as").hidden = seen === null;
  if (seen) slot("view-as").href = seen;
  const button = document.querySelector('[data-view="thing"] [data-do="revoke"]');
  button.textContent = kind.end();
  button.hidden = !["pending", "claimed", "open", "full"].includes(thing.status);
  button.onclick = () => confirm(kind.confirm, kind.end(), () => ask("DELETE", path), () => showThing(place));
  slot("none").textContent = t("history_empty");
  await fill(`${path}/events`, (event) => line(event, false), still);
}

export const isKind = (place) => place in KINDS;
