// The way of one file to the storage: declare, send, complete. What a lost connection or a busy service interrupts goes on by
// itself. Whoever stops a transfer finds it out of here at the next step.

import { now } from "./api.js";
import { Declarations, isPassing, newKey } from "./declarations.js";
import { Left } from "./transfer.js";

// Requests with bytes at a time, of all files together.
export const AT_ONCE = 3;
// Parts whose URLs are asked for together. Each URL lives ten minutes.
const SIGNED_AHEAD = 12;
const FRESH = 60_000;
const LONGEST_WAIT = 30_000;
// So often in a row, while the browser believes itself online.
const MOST_TRIES = 8;
// So many URLs of one file may turn out to have ended.
const MOST_ENDED = 3;
// A connection on which nothing moves for so long is given up: it may have died without a word.
const STALLED = 45_000;

// The storage takes it later: it was too slow, something else is at it, or it is too much at once.
const isPassingAtStorage = (status) => isPassing({ status }) || status === 408 || status === 409;
const isTaken = (status) => status >= 200 && status < 300;

export class Transport {
  slots = AT_ONCE;
  queued = [];

  // `ask(method, path, body, more)` calls the API below `base`; `changed(transfer)` is told of every change; `next()` tells
  // whose turn comes.
  constructor({ ask, base, changed, next }) {
    Object.assign(this, { ask, base, changed });
    const batch = (method, body, key) => ask(method, `${base}/batch`, body, { headers: { "Idempotency-Key": key } });
    this.declarations = new Declarations({ ask: batch, next });
  }

  routeOf(upload) {
    return `${this.base}/${encodeURIComponent(upload.id)}`;
  }

  // All of it, up to what was stored.
  async carry(transfer) {
    if (!transfer.isSent) await this.send(transfer);
    return this.complete(transfer);
  }

  // Lets go of whatever was declared. Where it was stored meanwhile, that.
  async drop(transfer) {
    const known = transfer.upload;
    transfer.forget();
    const upload = known ?? await this.declarations.take(transfer);
    if (!upload) return null;
    const answer = await this.ask("DELETE", this.routeOf(upload));
    return answer.code === "upload_completed" ? upload : null;
  }

  async send(transfer) {
    if (transfer.upload && now() >= Date.parse(transfer.upload.expires_at)) this.drop(transfer);
    if (!transfer.upload) await this.declare(transfer, transfer.isLarge ? "multipart" : "put");
    if (transfer.upload.part_count) await this.sendParts(transfer);
    else await this.sendWhole(transfer);
    transfer.isSent = true;
  }

  async declare(transfer, method) {
    if (this.declarations.isOld(transfer)) this.drop(transfer);
    const answer = await this.patiently(transfer, async () => {
      const answer = await (method === "put" ? this.declarations.of(transfer) : this.declareAlone(transfer, method));
      // Before anything else: stopped meanwhile, it is known what was declared.
      if (answer.ok) transfer.declared(answer.content);
      return answer;
    });
    if (answer.code === "method_not_offered" && method !== "put") return this.declare(transfer, "put");
    if (!answer.ok) throw refused(answer);
    return undefined;
  }

  async declareAlone(transfer, method) {
    transfer.key ??= newKey();
    const answer = await this.ask("POST", this.base, transfer.declaration(method), { headers: { "Idempotency-Key": transfer.key } });
    if (!isPassing(answer)) transfer.key = null;
    return answer;
  }

  async sendWhole(transfer) {
    let ended = 0;
    for (let tries = 0; ; ) {
      const { url, http_method, headers } = transfer.upload;
      const status = await this.put(transfer, { method: http_method, url, headers, body: transfer.file });
      // Refused as taken: an earlier try has arrived, or does still; completing tells.
      if (status === 412 || isTaken(status)) return;
      if (isPassingAtStorage(status)) {
        await this.wait(transfer, tries, { why: whyOf(status) });
        tries += 1;
      } else if ((status === 403 || status === 404) && ended < MOST_ENDED) {
        // Its URL has ended.
        ended += 1;
        this.drop(transfer);
        await this.declare(transfer, "put");
      } else throw new Left("failed", "failed");
    }
  }

  async sendParts(transfer) {
    const missing = await this.missing(transfer);
    const signed = new Map();
    let signing = null;
    let lost = null;
    const sign = async () => {
      const stale = [...signed].filter(([, part]) => Date.parse(part.expires_at) - now() < FRESH);
      stale.forEach(([number]) => signed.delete(number));
      const parts = missing.slice(0, SIGNED_AHEAD).filter((number) => !signed.has(number)).map((number) => ({ number }));
      if (parts.length === 0) return;
      const answer = await this.patiently(transfer, () => this.ask("POST", `${this.routeOf(transfer.upload)}/parts`, { parts }));
      if (!answer.ok) throw refused(answer);
      for (const part of answer.content.items) signed.set(part.number, part);
    };
    const worker = async () => {
      let tries = 0;
      while (missing.length > 0 && !lost) {
        const number = missing[0];
        if (!signed.has(number) || Date.parse(signed.get(number).expires_at) - now() < FRESH) {
          signing ??= sign().finally(() => (signing = null));
          await signing;
          continue;
        }
        missing.shift();
        const part = signed.get(number);
        const body = transfer.file.slice(part.offset, part.offset + part.size);
        const status = await this.put(transfer, { ...part, method: part.http_method, body });
        if (isTaken(status)) {
          tries = 0;
          continue;
        }
        missing.unshift(number);
        // A URL that has ended is asked for again.
        signed.delete(number);
        if (status !== 403 && !isPassingAtStorage(status)) throw new Left("failed", "failed");
        await this.wait(transfer, tries, { why: whyOf(status) });
        tries += 1;
      }
    };
    const stop = (left) => {
      lost ??= left;
      throw left;
    };
    const workers = Array.from({ length: Math.min(AT_ONCE, missing.length) }, () => worker().catch(stop));
    await Promise.allSettled(workers);
    if (lost) throw lost;
  }

  // What has not arrived: the storage is asked, not memory.
  async missing(transfer) {
    const { part_count } = transfer.upload;
    const arrived = new Set();
    let cursor = null;
    let bytes = 0;
    do {
      const query = new URLSearchParams({ limit: 1000, ...(cursor && { cursor }) });
      const answer = await this.patiently(transfer, () => this.ask("GET", `${this.routeOf(transfer.upload)}/parts?${query}`));
      // It is over: completing tells how.
      if (answer.code === "upload_over") return [];
      if (!answer.ok) {
        if (answer.status === 404 || answer.status === 409) transfer.forget();
        throw refused(answer);
      }
      for (const part of answer.content.items) {
        arrived.add(part.number);
        bytes += part.size;
      }
      cursor = answer.content.next_cursor;
    } while (cursor);
    transfer.sent = Math.min(bytes, transfer.size);
    this.changed(transfer);
    return Array.from({ length: part_count }, (_, index) => index + 1).filter((number) => !arrived.has(number));
  }

  async complete(transfer) {
    this.to(transfer, "checking");
    for (let tries = 0; ; ) {
      const answer = await this.patiently(transfer, () => this.ask("POST", `${this.routeOf(transfer.upload)}/complete`));
      if (answer.status === 202) await this.rest(transfer, (answer.retryAfter || 1) * 1000);
      else if (answer.ok && answer.content.status === "completed") return answer.content;
      else if (answer.code === "upload_incomplete" && tries < MOST_TRIES) {
        // Something of it was lost on the way, or is on its way still, on a connection that nobody is at the other end of.
        transfer.isSent = false;
        await this.wait(transfer, tries, { why: "held" });
        tries += 1;
        this.to(transfer, "sending");
        await this.send(transfer);
        this.to(transfer, "checking");
      } else {
        const isPartial = answer.code === "upload_incomplete";
        if (isPartial) this.drop(transfer);
        else transfer.forget();
        throw answer.ok || isPartial ? new Left("failed", "not_whole") : refused(answer);
      }
    }
  }

  // Asks again while the connection or the service is away.
  async patiently(transfer, request) {
    for (let tries = 0; ; tries += 1) {
      this.check(transfer);
      const answer = await request();
      this.check(transfer);
      if (!isPassing(answer)) {
        this.found(transfer);
        return answer;
      }
      await this.wait(transfer, tries, { why: whyOf(answer.status), least: answer.retryAfter * 1000 });
    }
  }

  // Waits longer each time, or until the browser is online again.
  async wait(transfer, tries, { why, least = 0 }) {
    this.check(transfer);
    if (navigator.onLine && tries >= MOST_TRIES) throw new Left("failed", why);
    if (transfer.state !== "lost") transfer.resumes = transfer.state;
    transfer.why = why;
    this.to(transfer, "lost");
    await this.rest(transfer, navigator.onLine ? Math.max(least, Math.min(LONGEST_WAIT, 1000 * 2 ** tries)) : 600_000);
    this.found(transfer);
  }

  found(transfer) {
    if (transfer.state !== "lost") return;
    transfer.why = "";
    this.to(transfer, transfer.resumes ?? "sending");
  }

  async rest(transfer, span) {
    await transfer.rest(span);
    this.check(transfer);
  }

  check(transfer) {
    if (!transfer.isActive) throw new Left(transfer.state);
  }

  to(transfer, state) {
    transfer.state = state;
    this.changed(transfer);
  }

  // A place among those that send at a time, of all files together.
  async slot() {
    if (this.slots === 0) await new Promise((resolve) => this.queued.push(resolve));
    else this.slots -= 1;
  }

  free() {
    const next = this.queued.shift();
    if (next) next();
    else this.slots += 1;
  }

  // Sends one request to the storage; its status, and 0 where there was none.
  async put(transfer, request) {
    await this.slot();
    try {
      this.check(transfer);
      const status = await this.transmit(transfer, request);
      if (status === 0 && transfer.isActive && !(await transfer.isReadable())) throw new Left("failed", "unreadable");
      return status;
    } finally {
      this.free();
    }
  }

  // XMLHttpRequest, since fetch tells no progress.
  transmit(transfer, { method, url, headers, body }) {
    return new Promise((resolve) => {
      const request = new XMLHttpRequest();
      request.open(method, url);
      for (const [name, value] of Object.entries(headers ?? {})) request.setRequestHeader(name, value);
      let counted = 0;
      let stalling = 0;
      const moves = () => {
        clearTimeout(stalling);
        stalling = setTimeout(() => request.abort(), STALLED);
      };
      request.upload.addEventListener("progress", ({ loaded }) => {
        moves();
        transfer.sent += loaded - counted;
        counted = loaded;
        this.found(transfer);
        this.changed(transfer);
      });
      const ended = (status) => {
        clearTimeout(stalling);
        transfer.requests.delete(request);
        transfer.sent = Math.max(0, transfer.sent + (isTaken(status) ? body.size : 0) - counted);
        this.changed(transfer);
        resolve(status);
      };
      request.addEventListener("load", () => ended(request.status));
      for (const name of ["error", "abort", "timeout"]) request.addEventListener(name, () => ended(0));
      transfer.requests.add(request);
      moves();
      request.send(body);
    });
  }
}

const whyOf = (status) => (status === 0 ? "lost" : "held");

const CODES = ["path_taken", "closed", "quota_exceeded", "too_large", "upload_infected", "path_protected"];

function refused(answer) {
  if (CODES.includes(answer.code)) return new Left("failed", answer.code, answer.content.limit);
  if (answer.status === 401 || answer.code === "csrf") return new Left("failed", "over");
  if (answer.status === 403) return new Left("failed", "forbidden");
  return new Left("failed", answer.status === 422 ? "invalid" : "failed");
}
