// Browsers inside other apps: what they open is often lost with their window.

import { copy, on, slot } from "./view.js";

// Facebook and Messenger, Instagram, Line, WeChat, Snapchat, Pinterest, TikTok, LinkedIn, X, and whatever embeds Android's WebView.
const APPS = /\bFBA[NV]|\bFB_IAB|Instagram|\bLine\/|MicroMessenger|Snapchat|Pinterest|musical_ly|BytedanceWebview|LinkedInApp|\bTwitter|; wv\)/;

// In the view that is shown: says so, and helps to get out.
export function warnInsideApps() {
  slot("inside").hidden = !APPS.test(navigator.userAgent);
}

on("copy", "click", () => copy(location.href, slot("copied")));
