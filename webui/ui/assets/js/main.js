// The page's script. Gradio draws the form; everything that depends on jobs is drawn here, from the event stream.
// What the handlers and elements on the server's side call by name is exported at the end.

import { applyLanguage, applyTheme } from "./header.js";
import { beInstallable } from "./installable.js";
import { watchInputs } from "./inputs.js";
import { listenToKeys } from "./keys.js";
import { watchLinks } from "./links.js";
import { watchForEnds } from "./notify.js";
import { watchCompletion } from "./prompt-complete.js";
import { watchPromptKeys } from "./prompt-keys.js";
import { watchUndo } from "./prompt-undo.js";
import { watchWords } from "./prompt-words.js";
import { welcome } from "./output.js";
import { guardRequests } from "./reach.js";
import { whenReady } from "./ready.js";
import { applyView } from "./simple.js";
import { applySplit } from "./splitter.js";
import { connect } from "./stream.js";
import { comeBackToTab } from "./tabs.js";
import { watchTasks } from "./tasks.js";

applyTheme();
applyLanguage();
applyView();
applySplit();
beInstallable();
guardRequests();
watchCompletion(); // before the others: Esc closes the list first
watchPromptKeys();
watchUndo();
watchWords();
listenToKeys();
watchInputs();
watchForEnds();
watchTasks();
connect();
whenReady(welcome);
comeBackToTab();
watchLinks();

// Loaded when their tab is opened for the first time.
export const mountImg2img = async (host) => (await import("./img2img.js")).mountImg2img(host);
export const mountResize = async (host) => (await import("./img2img.js")).mountResize(host);
export const mountExtras = async (host) => (await import("./extras.js")).mountExtras(host);
export const mountPlot = async (host) => (await import("./plot.js")).mountPlot(host);
export const mountHistory = async (host) => (await import("./history.js")).mountHistory(host);
export const mountModels = async (host) => (await import("./models.js")).mountModels(host);
export const mountExtensions = async (host) => (await import("./extension-tab.js")).mountExtensions(host);
export const mountQuickSettings = async (host) => (await import("./quick-settings.js")).mountQuickSettings(host);
export const mountSettings = async (host, names) => (await import("./settings.js")).mountSettings(host, names);
export const askKept = async (count) => (await import("./settings.js")).askKept(count);
export const mountFormDefaults = async (host) => (await import("./settings.js")).mountFormDefaults(host);
export const mountSettingsFiles = async (host) => (await import("./settings.js")).mountSettingsFiles(host);
export const mountInnerTabs = async (host, tab) => (await import("./inner-tabs.js")).mountInnerTabs(host, tab);
export const mountMerger = async (host) => (await import("./merger.js")).mountMerger(host);

export const openPromptHistory = async (tab) => (await import("./prompt-history.js")).openPromptHistory(tab);
export const openStyles = async (tab) => (await import("./styles.js")).openStyles(tab);

export { mountEngine } from "./engine.js";
export { mountGenerateMenu } from "./forever.js";
export { mountFooter, mountModelNote } from "./header.js";
export { mountExtra, mountUnused, takeExtra } from "./options.js";
export { mountHires } from "./hires.js";
export { mountOutput } from "./output.js";
export { mountPngInfo, showInspection, takeUpload } from "./pnginfo.js";
export { aboutToSet, haveSet } from "./prompt-set.js";
export { takeBack } from "./prompt-undo.js";
export { mountPromptWords } from "./prompt-words.js";
export { mountQueueButton } from "./queue.js";
export { readForm } from "./reading.js";
export { readSettings } from "./sending.js";
export { takeEdited } from "./queue-edit.js";
export { mountScript } from "./scripts.js";
export { mountShape } from "./simple.js";
export { mountSplitter } from "./splitter.js";
export {
  beforeGenerate,
  checkpointChosen,
  listsRefreshed,
  opened,
  openForms,
  preferenceChanged,
  pressGenerate,
  remember,
  restored,
  reuseSeed,
  reuseVariationSeed,
  settled,
  submitted,
  takeInfotext,
  takeModel,
  takePrompt,
  takeSize,
} from "./form.js";
