<?php
// Signed URLs for Darkroom: darkroom_url($secret, 'cats/1.jpg', ['w_600,q_85,f_webp'], $expires, $kid, $name).
// $source is a key or an https:// address, not escaped. $expires is in seconds since 1970: round it up, so that caches
// can share. All texts are UTF-8. PHP 7.4 or newer; `vectors.json` holds what must come out.

function darkroom_url(string $secret, string $source, array $steps = [], ?int $expires = null, bool $kid = false, ?string $name = null): string
{
    $b64 = preg_match('@^(~|b64:|https:/)|/~|[?#\x00-\x1f\x7f-\x{9f}]|(^|/)\.{0,2}(/|$)@uD', $source);
    $text = $b64 ? 'b64:' . darkroom_base64url($source) : $source;
    $first = explode('/', $text)[0];
    $alone = $first === $text;
    $auth = preg_match('/(^|,)(sig|exp|kid|sc)_/', $first);
    $step = preg_match('/^(([a-z]{1,2}|dpr|fps|sig|exp|kid|tile)_|\$)/', $first) && (!$alone || (!$steps && $auth));
    $word = !$steps && in_array($first, ['api', 'health', 'ready', 'metrics', 'ui'], true);
    $dash = ($first === '-' || $step || $word) ? ['-'] : [];
    // The files of a streaming product are not signed: whatever has a folder, and these three.
    $leaf = $name === null || preg_match('@/|^(master\.m3u8|manifest\.mpd|storyboard\.vtt)$@D', $name);
    $rest = implode('/', array_merge($steps, $dash, [$text], $leaf ? [] : ["~$name"]));
    $path = array_map(fn ($each) => darkroom_escape($each, [',', ':', '$']), $steps);
    $path = array_merge($path, $dash, [darkroom_escape($text, ['/', ':'])]);
    $path = array_merge($path, $name === null ? [] : ['~' . darkroom_escape($name, ['/'])]);
    $members = array_merge($expires === null ? [] : ["exp_$expires"], $kid ? [darkroom_key_id($secret)] : []);
    return '/' . darkroom_auth($secret, "darkroom.url.v1\n", $members, $rest) . '/' . implode('/', $path);
}

// The auth segment for all keys below a prefix of whole folders.
function darkroom_scoped(string $secret, string $prefix, ?int $expires = null): string
{
    $members = [darkroom_key_id($secret), 'sc_' . count(explode('/', $prefix))];
    $members = array_merge($expires === null ? [] : ["exp_$expires"], $members);
    return darkroom_auth($secret, "darkroom.scope.v1\n", $members, $prefix);
}

function darkroom_auth(string $secret, string $domain, array $members, string $rest): string
{
    $message = $domain . implode(',', $members) . '/' . $rest;
    $signature = darkroom_base64url(hash_hmac('sha256', $message, $secret, true));
    return implode(',', array_merge(["sig_$signature"], $members));
}

function darkroom_key_id(string $secret): string
{
    return 'kid_' . substr(hash('sha256', $secret), 0, 8);
}

function darkroom_base64url(string $bytes): string
{
    return rtrim(strtr(base64_encode($bytes), '+/', '-_'), '=');
}

function darkroom_escape(string $text, array $keep): string
{
    return str_replace(array_map('rawurlencode', $keep), $keep, rawurlencode($text));
}
