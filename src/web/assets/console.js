// The console: signs in and out, and shows what the address names.

import { call, isSignedIn, now, stayInSession } from "./api.js";
import { showAudit, showKeys, showUsage } from "./console-admin.js";
import { arrive, parts, routeBy, go, signedIn, whenOver } from "./console-ask.js";
import { showFiles } from "./console-files.js";
import { isKind, showList, showThing } from "./console-lists.js";
import { closeDialogs } from "./console-make.js";
import words from "./console.words.js";
import { texts } from "./text.js";
import { giveUp } from "./upload.js";
import { busy, element, isBusy, named, on, say, show, slot, title } from "./view.js";

const t = texts(words);
const SESSION = "/v1/console/session";
// Why the page began anew, as the address remembers it: a word of ours.
const SIGNED_OUT = "signed_out";
const OVER = "session_over";
// Each place, and for whom it is.
const PLACES = [
  ["overview", () => true],
  ["files", () => true],
  ["file-links", (may) => may.share],
  ["site-links", (may) => may.publish],
  ["file-requests", (may) => may.request],
  ["keys", (may) => may.administer],
  ["audit", (may) => may.administer],
  ["usage", () => true],
];

const inTop = ["top", "who", "test", "places", "not-signed-out"];
const [top, who, test, places, notSignedOut] = inTop.map((name) => slot(name, document));
const key = document.getElementById("api-key");
const button = document.querySelector('[data-do="sign-in"] button');

routeBy(route);
whenOver(() => signedIn.view && beginAnew(OVER));
on("sign-in", "submit", enter);
on("sign-out", "click", leave);
on("again", "click", begin);
addEventListener("popstate", () => signedIn.view && route());
// Somebody may have signed out, or in as somebody else, in another tab.
addEventListener("pageshow", (event) => event.persisted && location.reload());
document.addEventListener("click", followed);
await begin();

async function begin() {
  const why = [SIGNED_OUT, OVER].includes(history.state) ? t(history.state) : "";
  // Without that cookie nobody is signed in, and there is nothing to ask.
  if (!isSignedIn()) {
    signIn(why);
    return;
  }
  show("looking");
  const answer = await call("GET", SESSION);
  if (answer.ok) await open(answer.content);
  else if (answer.status === 401) signIn(why);
  else show("trouble");
  title();
}

function signIn(why) {
  history.replaceState(null, "");
  arrive();
  closeDialogs();
  signedIn.view = null;
  top.hidden = true;
  show("sign-in");
  say("why", why);
  say("fault");
  title();
  offerProviders();
}

// Where people sign in with an account that they have already.
async function offerProviders() {
  const answer = await call("GET", "/v1/console/providers");
  const providers = answer.ok ? answer.content.items : [];
  const place = slot("providers", document);
  place.replaceChildren(...providers.map(({ name, path }) => element("a", { href: path, className: "button main" }, ...t.nodes("sign_in_by", { name: named(name) }))));
  place.hidden = providers.length === 0;
}

// Nothing of what the page knew is left in it for whoever signs in next.
function beginAnew(why, address = "") {
  giveUp();
  history.replaceState(why, "", address || location.href);
  location.reload();
}

async function enter() {
  if (isBusy(button)) return;
  busy(button, true);
  say("fault");
  say("status", t("signing_in"));
  const answer = await call("POST", SESSION, { body: { api_key: key.value.trim() } });
  busy(button, false);
  say("status");
  if (!answer.ok) {
    const isRefused = answer.status === 401 || answer.status === 422;
    say("fault", isRefused ? t("refused_key") : t("unreachable"));
    if (isRefused) key.select();
    return;
  }
  key.value = "";
  await open(answer.content);
}

// Signed out is who the server says is: until then the cookie is good.
async function leave() {
  notSignedOut.textContent = "";
  const answer = await call("DELETE", SESSION);
  if (!answer.ok && answer.status !== 401) {
    notSignedOut.textContent = t("not_signed_out");
    return;
  }
  beginAnew(SIGNED_OUT, "/console");
}

async function open(session) {
  stayInSession();
  history.replaceState(null, "");
  signedIn.view = session;
  top.hidden = false;
  const name = session.principal.label ?? session.principal.preview;
  who.replaceChildren(...t.nodes("who", { tenant: named(session.tenant.name), key: named(name) }));
  test.hidden = session.livemode;
  test.textContent = t("test");
  const offered = PLACES.filter(([, isFor]) => isFor(session.may));
  places.replaceChildren(...offered.map(([place]) => {
    const link = element("a", { href: place === "overview" ? "/console" : `/console/${place}`, textContent: t(`place.${place}`) });
    link.dataset.place = place;
    return element("li", {}, link);
  }));
  for (const offer of document.querySelectorAll("[data-offer]")) offer.hidden = !session.may[offer.dataset.offer];
  // A session ends by itself: no call has to fail for it to be told.
  setTimeout(() => signedIn.view === session && beginAnew(OVER), Math.min(Date.parse(session.expires_at) - now(), 2_000_000_000));
  await route();
}

async function route() {
  const [place = "overview", id] = parts();
  const isKnown = PLACES.some(([name, isFor]) => name === place && isFor(signedIn.view.may));
  for (const link of places.querySelectorAll("a")) {
    if (link.dataset.place === place) {
      link.setAttribute("aria-current", "page");
      link.scrollIntoView({ inline: "center", block: "nearest" });
    } else link.removeAttribute("aria-current");
  }
  if (!isKnown) {
    arrive();
    show("not-here");
  } else if (place === "files") await showFiles();
  else if (isKind(place)) await (id ? showThing(place) : showList(place));
  else if (place === "keys") await showKeys();
  else if (place === "audit") await showAudit();
  else if (place === "usage") await showUsage();
  else overview();
  if (signedIn.view) title();
}

function overview() {
  arrive();
  const { share, publish, request } = signedIn.view.may;
  show("overview");
  slot("nothing").hidden = share || publish || request;
}

// A link to another place of the console changes the place, and loads nothing.
function followed(event) {
  const link = event.target.closest?.("a[href^='/console']");
  const isPlain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
  if (!link || !isPlain || event.defaultPrevented || !signedIn.view) return;
  event.preventDefault();
  scrollTo(0, 0);
  go(link.getAttribute("href")).then(() => document.querySelector("[data-view]:not([hidden]) h1").focus({ preventScroll: true }));
}
