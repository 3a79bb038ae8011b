// What a phone or a browser needs to keep the page as an app: its manifest, its icon, and the colour of the bar above it.

import { h } from "./dom.js";
import { url } from "./stream.js";

const COLOURS = { light: "#f1f3f4", dark: "#111416" }; // of the page behind everything, as the theme has them

export function beInstallable() {
  // Gradio's own link leads to the root of the server, where another program may be if this one lies below a path.
  const manifest = document.querySelector("link[rel=manifest]") ?? document.head.appendChild(h("link", { rel: "manifest" }));
  manifest.crossOrigin = "use-credentials"; // it is asked for like the page itself, also where a password is set
  manifest.href = url("webui-assets/periplus.webmanifest");
  document.head.append(h("link", { rel: "apple-touch-icon", href: url("webui-assets/icons/app-touch-180.png") }));
  const colour = document.head.appendChild(h("meta", { name: "theme-color" }));
  const follow = () => (colour.content = COLOURS[document.body.classList.contains("dark") ? "dark" : "light"]);
  new MutationObserver(follow).observe(document.body, { attributeFilter: ["class"] });
  follow();
  seeAllOfTheScreen();
}

// Beside a notch and above the bar of the phone, where the style sheet leaves room for them.
function seeAllOfTheScreen() {
  const view = document.querySelector("meta[name=viewport]");
  if (view && !view.content.includes("viewport-fit")) view.content += ", viewport-fit=cover";
}
