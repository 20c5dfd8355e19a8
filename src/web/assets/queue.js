// Files on their way to the storage: declare, send, complete. Three requests at a time, large files in parts; what a
// lost connection interrupts goes on by itself. Nothing here shows anything.

import { now } from "./api.js";

// Larger files go in parts, so that an interruption costs a part and not the file.
const IN_PARTS_FROM = 16_000_000;
const AT_ONCE = 3;
// Parts whose URLs are asked for together. Each URL lives ten minutes.
const SIGNED_AHEAD = 12;
const FRESH = 60_000;
const LONGEST_WAIT = 30_000;
// So often in a row, while the browser believes itself online.
const MOST_TRIES = 8;

const FALLBACK_TYPE = "application/octet-stream";
const MEDIA_TYPE = /^[a-z0-9!#$&^_.+-]+\/[a-z0-9!#$&^_.+-]+$/i;
const ROUTE = "/v1/session/uploads";

// Thrown to leave a transfer: it was stopped, or cannot go on.
class Left {
  constructor(state, why = "") {
    Object.assign(this, { state, why });
  }
}

// One file. `state`: waiting, sending, lost (until the connection is back), checking, paused, failed, done, cancelled.
class Transfer {
  state = "waiting";
  why = "";
  sent = 0;
  upload = null;
  requests = new Set();
  // Whoever waits, each to be woken: parts wait beside each other.
  waiting = new Set();
  overwrite = false;

  constructor(file, path) {
    Object.assign(this, { file, path });
  }

  get size() {
    return this.file.size;
  }

  get route() {
    return `${this.base}/${encodeURIComponent(this.upload.id)}`;
  }

  get isOver() {
    return this.state === "done" || this.state === "cancelled";
  }

  // Leaves whatever is under way, which finds itself in this state.
  stop(state) {
    this.state = state;
    for (const request of this.requests) request.abort();
    this.wake();
  }

  wake() {
    for (const go of this.waiting) go();
  }
}

export class Queue {
  transfers = [];
  running = 0;
  paused = false;
  slots = AT_ONCE;
  waiting = [];

  // `ask` calls the API; `changed(transfer)` is told of every change, and `done(transfer, upload)` of every file that has arrived.
  constructor({ ask, changed, done = () => {}, base = ROUTE }) {
    Object.assign(this, { ask, changed, done, base });
    addEventListener("online", () => this.transfers.forEach((transfer) => transfer.wake()));
  }

  add(file, path) {
    const transfer = new Transfer(file, path);
    transfer.base = this.base;
    this.transfers.push(transfer);
    this.changed(transfer);
    return transfer;
  }

  // Begins as many as there is room for.
  go() {
    if (this.paused) return;
    for (const transfer of this.transfers) {
      if (this.running >= AT_ONCE) return;
      if (transfer.state === "waiting" && !transfer.isRunning) this.run(transfer);
    }
  }

  pause(transfer) {
    if (["waiting", "sending", "lost"].includes(transfer.state)) this.leave(transfer, "paused");
  }

  resume(transfer) {
    if (transfer.state === "paused" || transfer.state === "failed") this.leave(transfer, "waiting");
    this.go();
  }

  cancel(transfer) {
    if (transfer.isOver) return;
    this.leave(transfer, "cancelled");
    if (!transfer.isRunning) this.drop(transfer);
    this.go();
  }

  pauseAll() {
    this.paused = true;
    this.transfers.forEach((transfer) => this.pause(transfer));
  }

  resumeAll() {
    this.paused = false;
    for (const transfer of this.transfers) if (transfer.state === "paused") this.leave(transfer, "waiting");
    this.go();
  }

  cancelAll() {
    this.paused = false;
    this.transfers.forEach((transfer) => this.cancel(transfer));
  }

  replace(transfer) {
    transfer.overwrite = true;
    this.resume(transfer);
  }

  // What all of it comes to, without what was called off.
  get total() {
    const counted = this.transfers.filter((transfer) => transfer.state !== "cancelled");
    const sum = (value) => counted.reduce((total, transfer) => total + value(transfer), 0);
    return {
      files: counted.length,
      done: sum((transfer) => Number(transfer.state === "done")),
      failed: sum((transfer) => Number(transfer.state === "failed")),
      paused: sum((transfer) => Number(transfer.state === "paused")),
      open: sum((transfer) => Number(["waiting", "sending", "lost", "checking"].includes(transfer.state))),
      bytes: sum((transfer) => transfer.size),
      sent: sum((transfer) => (transfer.state === "done" ? transfer.size : Math.min(transfer.sent, transfer.size))),
    };
  }

  leave(transfer, state) {
    transfer.stop(state);
    this.changed(transfer);
  }

  async run(transfer) {
    this.running += 1;
    transfer.isRunning = true;
    transfer.why = "";
    this.to(transfer, "sending");
    try {
      await this.send(transfer);
      const upload = await this.complete(transfer);
      this.to(transfer, "done");
      this.done(transfer, upload);
    } catch (left) {
      if (!(left instanceof Left)) console.error(left);
      // It may have been stopped for another reason meanwhile.
      if (["sending", "lost", "checking"].includes(transfer.state)) {
        transfer.why = left.why ?? "failed";
        this.to(transfer, left.state ?? "failed");
      }
    }
    transfer.isRunning = false;
    if (transfer.state === "cancelled") this.drop(transfer);
    this.running -= 1;
    this.go();
  }

  to(transfer, state) {
    transfer.state = state;
    this.changed(transfer);
  }

  // Lets go of what was declared; nobody waits for it.
  drop(transfer) {
    if (transfer.upload) this.ask("DELETE", transfer.route);
    transfer.upload = null;
    transfer.sent = 0;
  }

  async send(transfer) {
    if (transfer.upload && now() >= Date.parse(transfer.upload.expires_at)) this.drop(transfer);
    if (!transfer.upload) await this.declare(transfer, transfer.size > IN_PARTS_FROM ? "multipart" : "put");
    if (transfer.upload.part_count) await this.sendParts(transfer);
    else await this.sendWhole(transfer);
  }

  async declare(transfer, method) {
    const { file, path, overwrite } = transfer;
    const content_type = MEDIA_TYPE.test(file.type) ? file.type : FALLBACK_TYPE;
    const body = { path, size: file.size, content_type, method, overwrite };
    const answer = await this.patiently(transfer, () => this.ask("POST", this.base, body));
    if (answer.code === "method_not_offered" && method !== "put") return this.declare(transfer, "put");
    if (!answer.ok) throw refused(answer);
    transfer.upload = answer.content;
    transfer.sent = 0;
    return undefined;
  }

  async sendWhole(transfer) {
    for (let tries = 0; ; tries += 1) {
      const { url, http_method, headers } = transfer.upload;
      const status = await this.put(transfer, { method: http_method, url, headers, body: transfer.file });
      // Refused as taken: an earlier try has arrived, and only its answer was lost.
      if (status === 412 || (status >= 200 && status < 300)) return;
      if (status === 403 || status === 404) {
        // Its URL has ended.
        this.drop(transfer);
        if (tries > 2) throw new Left("failed", "failed");
        await this.declare(transfer, "put");
      } else if (status !== 0 && status < 500) throw new Left("failed", "failed");
      else await this.wait(transfer, tries);
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
      const answer = await this.patiently(transfer, () => this.ask("POST", `${transfer.route}/parts`, { parts }));
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
        if (status >= 200 && status < 300) {
          tries = 0;
          continue;
        }
        missing.unshift(number);
        // A URL that has ended is asked for again.
        signed.delete(number);
        if (status >= 400 && status < 500 && ![403, 408, 409].includes(status)) throw new Left("failed", "failed");
        await this.wait(transfer, tries);
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
    const { part_count, part_size } = transfer.upload;
    const arrived = new Set();
    let cursor = null;
    let bytes = 0;
    do {
      const query = new URLSearchParams({ limit: 1000, ...(cursor && { cursor }) });
      const answer = await this.patiently(transfer, () => this.ask("GET", `${transfer.route}/parts?${query}`));
      if (!answer.ok) {
        if (answer.status === 404 || answer.status === 409) {
          transfer.upload = null;
          throw new Left("failed", "failed");
        }
        throw refused(answer);
      }
      for (const part of answer.content.items) {
        arrived.add(part.number);
        bytes += part.size;
      }
      cursor = answer.content.next_cursor;
    } while (cursor);
    transfer.sent = Math.min(bytes, transfer.size);
    transfer.part_size = part_size;
    this.changed(transfer);
    return Array.from({ length: part_count }, (_, index) => index + 1).filter((number) => !arrived.has(number));
  }

  async complete(transfer) {
    this.to(transfer, "checking");
    for (let tries = 0; ; ) {
      const answer = await this.patiently(transfer, () => this.ask("POST", `${transfer.route}/complete`));
      if (answer.status === 202) await this.rest(transfer, (answer.retryAfter || 1) * 1000);
      else if (answer.ok && answer.content.status === "completed") return answer.content;
      else if (answer.code === "upload_incomplete" && tries < 3) {
        // Something of it was lost on the way.
        tries += 1;
        this.to(transfer, "sending");
        await this.send(transfer);
        this.to(transfer, "checking");
      } else {
        transfer.upload = null;
        throw answer.ok ? new Left("failed", "not_whole") : refused(answer);
      }
    }
  }

  // Asks again while the connection or the service is away.
  async patiently(transfer, request) {
    for (let tries = 0; ; tries += 1) {
      this.check(transfer);
      const answer = await request();
      this.check(transfer);
      if (answer.status !== 0 && answer.status !== 429 && answer.status < 500) {
        this.found(transfer);
        return answer;
      }
      await this.wait(transfer, tries, answer.retryAfter * 1000);
    }
  }

  // Waits longer each time, or until the browser is online again.
  async wait(transfer, tries, least = 0) {
    this.check(transfer);
    if (navigator.onLine && tries >= MOST_TRIES) throw new Left("failed", "lost");
    transfer.resumes = transfer.state === "lost" ? transfer.resumes : transfer.state;
    this.to(transfer, "lost");
    const span = navigator.onLine ? Math.max(least, Math.min(LONGEST_WAIT, 1000 * 2 ** tries)) : 600_000;
    await this.rest(transfer, span);
    this.found(transfer);
  }

  found(transfer) {
    if (transfer.state === "lost") this.to(transfer, transfer.resumes ?? "sending");
  }

  async rest(transfer, span) {
    await new Promise((resolve) => {
      const go = () => {
        clearTimeout(timer);
        transfer.waiting.delete(go);
        resolve();
      };
      const timer = setTimeout(go, span);
      transfer.waiting.add(go);
    });
    this.check(transfer);
  }

  check(transfer) {
    if (!["sending", "lost", "checking"].includes(transfer.state)) throw new Left(transfer.state);
  }

  // A place among those that send at a time, of all files together.
  async slot() {
    if (this.slots === 0) await new Promise((resolve) => this.waiting.push(resolve));
    else this.slots -= 1;
  }

  free() {
    const next = this.waiting.shift();
    if (next) next();
    else this.slots += 1;
  }

  // Sends one request to the storage; its status, and 0 where there was none. XMLHttpRequest, since fetch tells no progress.
  async put(transfer, { method, url, headers, body }) {
    await this.slot();
    const before = transfer.sent;
    let counted = 0;
    try {
      this.check(transfer);
      return await new Promise((resolve) => {
        const request = new XMLHttpRequest();
        request.open(method, url);
        for (const [name, value] of Object.entries(headers ?? {})) request.setRequestHeader(name, value);
        request.upload.addEventListener("progress", ({ loaded }) => {
          transfer.sent += loaded - counted;
          counted = loaded;
          this.found(transfer);
          this.changed(transfer);
        });
        const ended = (status) => {
          transfer.requests.delete(request);
          const whole = status >= 200 && status < 300;
          transfer.sent += (whole ? body.size : 0) - counted;
          this.changed(transfer);
          resolve(status);
        };
        request.addEventListener("load", () => ended(request.status));
        for (const name of ["error", "abort", "timeout"]) request.addEventListener(name, () => ended(0));
        transfer.requests.add(request);
        request.send(body);
      });
    } finally {
      if (transfer.sent < 0) transfer.sent = before;
      this.free();
    }
  }
}

function refused(answer) {
  const codes = ["path_taken", "closed", "quota_exceeded", "too_large", "upload_infected", "path_protected"];
  if (codes.includes(answer.code)) return new Left("failed", answer.code);
  if (answer.status === 401) return new Left("failed", "over");
  if (answer.status === 403) return new Left("failed", "forbidden");
  return new Left("failed", answer.status === 422 ? "invalid" : "failed");
}
