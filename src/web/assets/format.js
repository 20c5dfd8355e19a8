// Sizes, numbers, times and spans in the reader's language.

import words from "./common.words.js";
import { language, texts } from "./text.js";

const t = texts(words);

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];

export function size(bytes) {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const unitDisplay = unit === 0 ? "long" : "short";
  const maximumFractionDigits = value < 10 && unit > 0 ? 1 : 0;
  return new Intl.NumberFormat(language, { style: "unit", unit: UNITS[unit], unitDisplay, maximumFractionDigits }).format(value);
}

export const number = (value) => new Intl.NumberFormat(language).format(value);

export function files(count, more = false) {
  return more ? t("files_more", { count: number(count) }) : t("files", { number: count, count: number(count) });
}

// In the reader's own time zone, and naming it.
export const moment = (time) => dated(time, { weekday: "long", day: "numeric", month: "long", timeZoneName: "short" });

// The same, short, for lists.
export const brief = (time) => dated(time, { day: "numeric", month: "short" });

// The year is said where it is another one than now.
function dated(time, parts) {
  const year = new Date(time).getFullYear() === new Date().getFullYear() ? {} : { year: "numeric" };
  return new Intl.DateTimeFormat(language, { ...parts, ...year, hour: "numeric", minute: "2-digit" }).format(time);
}

const STEPS = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]];

// Rounded down, in its two largest units: "1 hour 30 minutes", "2 days", "45 seconds".
export function span(seconds) {
  let rest = Math.max(0, Math.floor(seconds));
  const parts = [];
  for (const [unit, length] of STEPS) {
    const count = Math.floor(rest / length);
    rest -= count * length;
    if (count > 0) parts.push(counted(count, unit));
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return parts.join(" ") || counted(0, "second");
}

const counted = (count, unit) => new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "long" }).format(count);

// How long an answer says to wait.
export const wait = (answer) => span(Math.max(1, answer.retryAfter || 60));
