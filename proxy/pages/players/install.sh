#!/bin/sh
# Install hls.js for the page that plays films, and with `--all` what the tests play them with beside it.
# npm holds every package against its hash in package-lock.json. Without hls.js the page plays what browsers play alone.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
place=$here/../../../.players

omit=--omit=dev
[ "${1:-}" != --all ] || omit=
lock=$(cksum <"$here/package-lock.json")
have=$(cat "$place/installed" 2>/dev/null || :)
if [ -f "$here/hls.js" ] && { [ "$have" = "$lock" ] || [ "$have" = "$lock $omit" ]; }; then exit; fi

without() {
    echo "$1, so the player page is without hls.js: with npm (Debian: apt-get install npm) run $0" >&2
    [ -n "$omit" ]
    exit
}
command -v npm >/dev/null || without "npm is not here"

mkdir -p "$place"
cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$place"
(cd "$place" && npm ci $omit --silent) || without "npm could not install it"
# Its last line leads to a map of its source, which is not here.
sed '/^\/\/# sourceMappingURL=/d' "$place/node_modules/hls.js/dist/hls.min.mjs" >"$here/hls.new"
cp "$place/node_modules/hls.js/LICENSE" "$here/hls.LICENSE"
mv "$here/hls.new" "$here/hls.js"
echo "$lock${omit:+ $omit}" >"$place/installed"
