// QR codes, as the API draws them: modules and a path.

import words from "./common.words.js";
import { texts } from "./text.js";

const t = texts(words);
const NAMESPACE = "http://www.w3.org/2000/svg";

export function code({ size, path }) {
  const svg = element("svg", { viewBox: `0 0 ${size} ${size}`, role: "img", "aria-label": t("code_of"), "shape-rendering": "crispEdges" });
  svg.append(element("path", { d: path }));
  return svg;
}

function element(tag, attributes) {
  const made = document.createElementNS(NAMESPACE, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}
