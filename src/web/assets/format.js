// Sizes, times and spans in words.

const language = navigator.languages?.find((one) => one.startsWith("en")) ?? "en";

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

export function files(count, more = false) {
  const number = new Intl.NumberFormat(language).format(count);
  if (more) return `more than ${number} files`;
  return count === 1 ? "1 file" : `${number} files`;
}

// In the reader's own time zone, and naming it.
export function moment(time) {
  return new Intl.DateTimeFormat(language, {
    weekday: "long", day: "numeric", month: "long", hour: "numeric", minute: "2-digit", timeZoneName: "short",
  }).format(time);
}

const STEPS = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]];

// Rounded down: "1 hour 30 minutes", "2 days", "45 seconds".
export function span(seconds) {
  let rest = Math.max(0, Math.floor(seconds));
  const parts = [];
  for (const [name, length] of STEPS) {
    const count = Math.floor(rest / length);
    rest -= count * length;
    if (count > 0) parts.push(`${count} ${name}${count === 1 ? "" : "s"}`);
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return parts.join(" ") || "0 seconds";
}
