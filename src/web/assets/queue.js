// Files that are to be sent: which have their turn, and what people do with them. How one is sent: transport.js. Nothing
// here shows anything.

import { Left, Transfer } from "./transfer.js";
import { AT_ONCE, Transport } from "./transport.js";

// Files at work at a time: while the bytes of some go, others are declared and completed.
const AT_WORK = 8;
const ROUTE = "/v1/session/uploads";

export class Queue {
  transfers = [];
  running = new Set();

  // `ask` calls the API; `changed(transfer)` is told of every change, and `done(transfer, upload)` of every file that has arrived.
  constructor({ ask, changed, done = () => {}, base = ROUTE }) {
    Object.assign(this, { changed, done });
    const next = () => this.transfers.filter((transfer) => transfer.state === "waiting" && !transfer.isRunning && !transfer.upload);
    this.transport = new Transport({ ask, base, changed, next });
    addEventListener("online", () => this.transfers.forEach((transfer) => transfer.wake()));
  }

  // With `why`, one that cannot be sent.
  add(file, path, why = "") {
    const transfer = new Transfer(file, path);
    if (why !== "") Object.assign(transfer, { state: "failed", why });
    this.transfers.push(transfer);
    this.changed(transfer);
    return transfer;
  }

  // Begins as many as there is room for. Large ones have more than one request at a time each.
  go() {
    for (const transfer of this.transfers) {
      if (this.running.size >= AT_WORK) return;
      if (transfer.state !== "waiting" || transfer.isRunning) continue;
      if (transfer.isLarge && [...this.running].filter((other) => other.isLarge).length >= AT_ONCE) continue;
      this.run(transfer);
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
    this.callOff(transfer);
    this.go();
  }

  pauseAll() {
    this.transfers.forEach((transfer) => this.pause(transfer));
  }

  resumeAll() {
    this.transfers.forEach((transfer) => transfer.state === "paused" && this.leave(transfer, "waiting"));
    this.go();
  }

  // Those that failed for a reason that `mayPass`.
  retryAll(mayPass) {
    this.transfers.forEach((transfer) => transfer.state === "failed" && mayPass(transfer.why) && this.leave(transfer, "waiting"));
    this.go();
  }

  // All of them before another one has its turn.
  cancelAll() {
    this.transfers.forEach((transfer) => this.callOff(transfer));
    this.go();
  }

  // What is being checked may be stored already.
  callOff(transfer) {
    if (transfer.isOver || transfer.state === "checking") return;
    this.leave(transfer, "cancelled");
    if (!transfer.isRunning) this.drop(transfer);
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
      open: sum((transfer) => Number(transfer.state === "waiting" || transfer.isActive)),
      bytes: sum((transfer) => transfer.size),
      sent: sum((transfer) => (transfer.state === "done" ? transfer.size : Math.min(transfer.sent, transfer.size))),
    };
  }

  leave(transfer, state) {
    transfer.stop(state);
    this.changed(transfer);
  }

  async run(transfer) {
    this.running.add(transfer);
    transfer.isRunning = true;
    transfer.why = "";
    this.to(transfer, "sending");
    try {
      this.arrived(transfer, await this.transport.carry(transfer));
    } catch (left) {
      if (!(left instanceof Left)) console.error(left);
      // It may have been stopped for another reason meanwhile.
      if (transfer.isActive) {
        Object.assign(transfer, { why: left.why ?? "failed", limit: left.limit ?? null });
        this.to(transfer, left.state ?? "failed");
        if (transfer.why === "unreadable") this.drop(transfer);
      }
    }
    transfer.isRunning = false;
    if (transfer.state === "cancelled") this.drop(transfer);
    this.running.delete(transfer);
    this.go();
  }

  arrived(transfer, upload) {
    this.to(transfer, "done");
    this.done(transfer, upload);
  }

  // Nobody waits for it to be gone. What was stored before it could be called off is there.
  async drop(transfer) {
    const stored = await this.transport.drop(transfer);
    if (stored) this.arrived(transfer, stored);
  }

  to(transfer, state) {
    transfer.state = state;
    this.changed(transfer);
  }
}
