// The tabs of the page, which Gradio draws: opening one, and the one that is open when the page is loaded anew.

import { TABS } from "./opening.js";
import { whenReady } from "./ready.js";

const KEPT = "periplus.tab"; // in this tab of the browser; a new one begins with the first

const strip = () => document.querySelector('#tabs .tab-container[role="tablist"]');

export function showTab(name) {
  const tab = document.querySelector(`#tabs button[role="tab"][data-tab-id="${name}"]`);
  tab?.click();
  if (tab) bringIntoStrip(tab, tab.parentElement);
}

// On a phone not all tabs are in view. The page itself stays where it is.
function bringIntoStrip(tab, strip) {
  const [middle, wanted] = [tab, strip].map((each) => each.getBoundingClientRect()).map(({ left, width }) => left + width / 2);
  strip.scrollLeft += middle - wanted;
}

// The tab that the page shows when it is loaded anew.
export function keepTab(name) {
  sessionStorage.setItem(KEPT, name);
}

// Before links are followed: an address that names a tab has the last word.
export function comeBackToTab() {
  whenReady(() => {
    const kept = sessionStorage.getItem(KEPT);
    if (openTab() && openTab() !== TABS[0]) keepTab(openTab()); // somebody was quicker than the page
    else if (kept && !location.hash) showTab(kept);
    new MutationObserver(() => openTab() && keepTab(openTab())).observe(strip(), { subtree: true, attributeFilter: ["aria-selected"] });
  });
}

const openTab = () => strip().querySelector('[role="tab"][aria-selected="true"]')?.dataset.tabId;
