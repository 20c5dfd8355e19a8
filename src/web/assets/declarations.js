// Declares small files before their turn, many in one request: else each would wait for an answer of its own.

import { now } from "./api.js";

// What the server takes, and as many bytes as are likely to go while their URLs live.
const MOST_ITEMS = 100;
const MOST_BYTES = 64_000_000;
// What was declared longer ago is not begun with: URLs live ten minutes.
const OLD = 480_000;

// What only time can mend: asking again is of use.
export const isPassing = ({ status }) => status === 0 || status === 429 || status >= 500;

export const newKey = () => crypto.getRandomValues(new Uint32Array(4)).join("-");

// Some files that are declared together. Asked for again, the request is the same one, byte for byte.
class Batch {
  key = newKey();
  asked = 0;
  found = null;
  request = null;

  constructor(transfers) {
    this.transfers = transfers;
    this.body = { items: transfers.map((transfer) => transfer.declaration("put")) };
    this.settled = new Promise((resolve) => (this.settle = resolve));
  }

  // Each transfer's answer, or the one that all have.
  answers(ask) {
    this.request ??= this.ask(ask).finally(() => (this.request = null));
    return this.request;
  }

  async ask(ask) {
    if (this.found) return this.found;
    const answer = await ask("POST", this.body, this.key);
    const items = answer.ok ? answer.content.items : [];
    const own = (item) => ({
      ok: item.status === 201, status: item.status, code: item.problem?.code ?? "", content: item.upload ?? item.problem, retryAfter: 0,
    });
    const found = new Map(this.transfers.map((transfer, place) => [transfer, items[place] ? own(items[place]) : answer]));
    if (isPassing(answer)) return found;
    Object.assign(this, { found, asked: now() });
    this.settle(found);
    return found;
  }
}

export class Declarations {
  // Which batch a transfer is part of, until its answer is taken.
  batches = new Map();

  // `ask(method, body, key)` asks for a batch; `next()` tells the transfers whose turn comes, in their order.
  constructor({ ask, next }) {
    Object.assign(this, { ask, next });
  }

  // The answer to the declaration of a transfer, as if it had been asked for alone.
  async of(transfer) {
    let batch = this.batches.get(transfer);
    if (!batch) {
      batch = new Batch(this.together(transfer));
      for (const one of batch.transfers) this.batches.set(one, batch);
    }
    const answers = await batch.answers(this.ask);
    // Not settled: asked again, it is the same batch.
    if (batch.found) this.batches.delete(transfer);
    return answers.get(transfer);
  }

  // With the first, as many as follow it and go into one batch.
  together(first) {
    const chosen = [first];
    let bytes = first.size;
    for (const transfer of this.next()) {
      if (transfer === first || transfer.isLarge || this.batches.has(transfer)) continue;
      bytes += transfer.size;
      if (chosen.length === MOST_ITEMS || bytes > MOST_BYTES) break;
      chosen.push(transfer);
    }
    return chosen;
  }

  // Whether its turn has come too late for what was declared.
  isOld(transfer) {
    const batch = this.batches.get(transfer);
    return Boolean(batch?.found) && now() - batch.asked > OLD;
  }

  // What was declared for a transfer that is not begun with after all; null where nothing was.
  async take(transfer) {
    const batch = this.batches.get(transfer);
    this.batches.delete(transfer);
    const answer = (await batch?.settled)?.get(transfer);
    return answer?.ok ? answer.content : null;
  }
}
