// Signed URLs for Darkroom: url(secret, "cats/1.jpg", ["w_600,q_85,f_webp"], {expires, kid, name}) and
// scoped(secret, "cats/2026", {expires}). `expires` is in seconds since 1970: round it up, so that caches can share.
// Runs wherever `node:crypto` does: Node, Deno, Bun, Workers. Never in a browser, which would give the secret away.
// `vectors.json` holds what must come out.
import { createHash, createHmac } from "node:crypto";

const AUTH = /(^|,)(sig|exp|kid|sc)_/;
const STEP = /^(([a-z]{1,2}|dpr|fps|sig|exp|kid|tile)_|\$)/;
const RESERVED = /^(api|health|ready|metrics|ui)$/;
const NEEDS_B64 = /^(~|b64:|https:\/)|\/~|[?#\x00-\x1f\x7f-\x9f]|(^|\/)\.{0,2}(\/|$)/;

export const keyId = (secret) => createHash("sha256").update(secret).digest("hex").slice(0, 8);

/** The path of a rendition; `source` is a key or an https:// address, not escaped, and `steps` are its steps. */
export function url(secret, source, steps = [], { expires, kid = false, name } = {}) {
  const text = NEEDS_B64.test(source) ? "b64:" + Buffer.from(source).toString("base64url") : source;
  const [first, ...more] = text.split("/");
  const likeStep = STEP.test(first) && (more.length > 0 || (steps.length === 0 && AUTH.test(first)));
  const dash = first === "-" || likeStep || (steps.length === 0 && RESERVED.test(first)) ? ["-"] : [];
  const rest = [...steps, ...dash, text].join("/") + (name && !leaf(name) ? `/~${name}` : "");
  const path = [...steps.map((step) => escape(step, /%(2C|3A|24)/g)), ...dash, escape(text, /%(2F|3A)/g)];
  if (name) path.push("~" + escape(name, /%(2F)/g));
  const members = [expires && `exp_${expires}`, kid && `kid_${keyId(secret)}`].filter(Boolean);
  return `/${auth(secret, "darkroom.url.v1\n", members, rest)}/${path.join("/")}`;
}

/** The auth segment for all keys below a prefix of whole folders. */
export function scoped(secret, prefix, { expires } = {}) {
  const members = [expires && `exp_${expires}`, `kid_${keyId(secret)}`, `sc_${prefix.split("/").length}`];
  return auth(secret, "darkroom.scope.v1\n", members.filter(Boolean), prefix);
}

function auth(secret, domain, members, rest) {
  const signature = createHmac("sha256", secret).update(`${domain}${members.join(",")}/${rest}`).digest("base64url");
  return [`sig_${signature}`, ...members].join(",");
}

// The files of a streaming product are not signed: whatever has a folder, and these three.
const leaf = (name) => name.includes("/") || /^(master\.m3u8|manifest\.mpd|storyboard\.vtt)$/.test(name);

const escape = (text, keep) =>
  encodeURIComponent(text)
    .replace(/[!'()*]/g, (sign) => "%" + sign.charCodeAt(0).toString(16).toUpperCase())
    .replace(keep, decodeURIComponent);
