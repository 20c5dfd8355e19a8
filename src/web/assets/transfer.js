// One file on its way: how far it is, and why it goes no further. Knows nothing of requests.

// Larger files go in parts, so that an interruption costs a part and not the file.
export const IN_PARTS_FROM = 16_000_000;

const FALLBACK_TYPE = "application/octet-stream";
const MEDIA_TYPE = /^[a-z0-9!#$&^_.+-]+\/[a-z0-9!#$&^_.+-]+$/i;

// Thrown to leave a transfer: it was stopped, or cannot go on, for a reason that may have a limit to it.
export class Left {
  constructor(state, why = "", limit = null) {
    Object.assign(this, { state, why, limit });
  }
}

// `state`: waiting, sending, lost (goes on by itself), checking, paused, failed, done, cancelled.
export class Transfer {
  state = "waiting";
  // Why it failed; while it is lost, `lost` where nothing answers and `held` where something refuses for now.
  why = "";
  // Where it is too large: the most bytes there may be.
  limit = null;
  sent = 0;
  // What was declared, until it is over.
  upload = null;
  // Whether all bytes have been taken: what is left is to complete it.
  isSent = false;
  // Names a declaration until it is answered, so that asking again makes no second one.
  key = null;
  overwrite = false;
  isRunning = false;
  requests = new Set();
  // Whoever waits, each to be woken: parts wait beside each other.
  waiting = new Set();

  // `file` is null where it could not be read.
  constructor(file, path) {
    Object.assign(this, { file, path });
  }

  get size() {
    return this.file?.size ?? 0;
  }

  get isLarge() {
    return this.size > IN_PARTS_FROM;
  }

  get isOver() {
    return this.state === "done" || this.state === "cancelled";
  }

  // Whether something goes on with it.
  get isActive() {
    return ["sending", "lost", "checking"].includes(this.state);
  }

  // What to declare it as.
  declaration(method) {
    const { path, size, overwrite } = this;
    const content_type = MEDIA_TYPE.test(this.file.type) ? this.file.type : FALLBACK_TYPE;
    return { path, size, content_type, method, overwrite };
  }

  // It was declared. Kept even where somebody has stopped it meanwhile, who may go on with it, or call it off.
  declared(upload) {
    Object.assign(this, { upload, key: null, isSent: false, sent: 0 });
  }

  forget() {
    Object.assign(this, { upload: null, key: null, isSent: false, sent: 0 });
  }

  // Whether the file can be read still: it may have changed, or be gone.
  async isReadable() {
    try {
      await this.file.slice(0, 1).arrayBuffer();
      return true;
    } catch {
      return false;
    }
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

  // Waits so many milliseconds, or until it is woken.
  rest(span) {
    return new Promise((resolve) => {
      const go = () => {
        clearTimeout(timer);
        this.waiting.delete(go);
        resolve();
      };
      const timer = setTimeout(go, span);
      this.waiting.add(go);
    });
  }
}
