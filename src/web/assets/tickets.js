// What this browser keeps, so that it, and only it, can come back: for each
// token a claim key, filed under a hash of the token; and for each thing that
// was opened the token to renew it with, until access ends.

import { now } from "./api.js";

const CLAIM = "cloakroom.claim.";
const OPENED = "cloakroom.opened.";
const MOVE_LENGTH = 284;

export function isSupported() {
  try {
    localStorage.setItem("cloakroom.probe", "1");
    localStorage.removeItem("cloakroom.probe");
    return Boolean(crypto.subtle && crypto.getRandomValues && globalThis.fetch && globalThis.Intl);
  } catch {
    return false;
  }
}

// The whole token at the beginning of the fragment, or null: `length`
// characters of base64url, and none that would make it longer.
export function tokenIn(fragment, prefix, length) {
  const whole = new RegExp(`^#(${prefix}[A-Za-z0-9_-]{${length - prefix.length}})(?![A-Za-z0-9_-])`);
  return whole.exec(fragment)?.[1] ?? null;
}

// A share's token, or one that moves an opened share from another device here:
// of either kind the lengths are fixed.
export const shareTokenIn = (fragment) => tokenIn(fragment, "crs_", 252) ?? tokenIn(fragment, "crm_", MOVE_LENGTH);

function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

export async function nameOf(token) {
  const text = new TextEncoder().encode(`cloakroom claim of ${token}`);
  return base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", text)));
}

function read(key) {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return null;
  }
}

const write = (key, value) => localStorage.setItem(key, JSON.stringify(value));

// The claim key for a token that somebody has clicked to open here before.
export const claimKey = (name) => read(CLAIM + name)?.claim_key ?? null;

// The same, made and kept before it is ever sent: an answer may be lost.
export function claimKeyFor(name, until) {
  const kept = claimKey(name);
  if (kept) return kept;
  write(CLAIM + name, { claim_key: base64url(crypto.getRandomValues(new Uint8Array(32))), until });
  return claimKey(name);
}

// Keeps a claim key for as long as it is good for something.
export function keepClaim(name, until) {
  write(CLAIM + name, { claim_key: claimKey(name), until });
}

export const opened = (id) => read(OPENED + id);
export const keepOpened = (id, entry) => write(OPENED + id, entry);
export const forgetOpened = (id) => localStorage.removeItem(OPENED + id);

export function allOpened(kind) {
  const ids = Object.keys(localStorage).filter((key) => key.startsWith(OPENED)).map((key) => key.slice(OPENED.length));
  return ids.map((id) => ({ id, ...opened(id) })).filter((entry) => entry.kind === kind);
}

// Forgets whatever is over.
export function prune() {
  for (const key of Object.keys(localStorage)) {
    const ours = key.startsWith(CLAIM) || key.startsWith(OPENED);
    if (ours && !(read(key)?.until > now())) localStorage.removeItem(key);
  }
}
