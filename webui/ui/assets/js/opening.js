// What the forms are to hold when the page is opened: asked as soon as its first bytes are here, a second before Gradio has drawn
// it. So nothing is imported: other modules read what comes with the drawn page.

export const TABS = ["txt2img", "img2img"]; // those with a form

// What a tab's form held, over a reload in sessionStorage; a new tab begins with what was last typed in any.
export const storedAs = (tab) => (tab === TABS[0] ? "periplus.form" : `periplus.form.${tab}`);
export const storedForms = () =>
  TABS.map((tab) => sessionStorage.getItem(storedAs(tab)) ?? localStorage.getItem(storedAs(tab)) ?? "");

async function ask() {
  const address = new URL("gradio_api/run/opening", document.baseURI);
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(address, { method: "POST", headers, body: JSON.stringify({ data: [storedForms()] }) });
  return response.ok ? (await response.json()).data[0] : null;
}

// null where it failed: who needs it asks once more.
export const asked = ask().catch(() => null);
