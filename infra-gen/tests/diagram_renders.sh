#!/usr/bin/env bash
# Renders the picture in generated/stack.md with Mermaid itself, in a browser, and counts what is in it.
# Needs npm and chromium, so it is run by hand: after a change of src/documents/diagram.rs.
set -euo pipefail
cd "$(dirname "$0")/../.."

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$work" mermaid@12.3.0
sed -n '/^```mermaid$/,/^```$/p' generated/stack.md | sed '1d;$d' > "$work/picture.txt"
cat > "$work/page.html" <<PAGE
<pre id="picture">$(sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g' "$work/picture.txt")</pre>
<script src="node_modules/mermaid/dist/mermaid.min.js"></script>
<script>
  mermaid.initialize({ startOnLoad: false });
  mermaid.render("rendered", document.getElementById("picture").textContent).then(
    ({ svg }) => { document.body.innerHTML = svg; },
    (error) => { document.body.textContent = "Mermaid refuses it: " + error; },
  );
</script>
PAGE
chromium --headless --no-sandbox --disable-gpu --allow-file-access-from-files --virtual-time-budget=20000 \
    --dump-dom "file://$work/page.html" > "$work/page.out" 2> "$work/browser.log"

count() { { grep -o "$1" "$2" || true; } | wc -l; }
arrows="$(count ' --> ' "$work/picture.txt")"
nodes="$(($(wc -l < "$work/picture.txt") - 1 - arrows))"
drawn_arrows="$(count 'class="[^"]*flowchart-link' "$work/page.out")"
drawn_nodes="$(count 'class="nodeLabel' "$work/page.out")"
echo "nodes: $drawn_nodes of $nodes; arrows: $drawn_arrows of $arrows"
if [ "$nodes $arrows" != "$drawn_nodes $drawn_arrows" ]; then
    grep -o 'Mermaid refuses it: [^<]*' "$work/page.out" || tail -5 "$work/browser.log"
    exit 1
fi
