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
import { guardRequests, later } from "./reach.js";
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
export const mountImg2img = later(() => import("./img2img.js"), "mountImg2img");
export const mountResize = later(() => import("./img2img.js"), "mountResize", { tells: false });
export const mountExtras = later(() => import("./extras.js"), "mountExtras");
export const mountPlot = later(() => import("./plot.js"), "mountPlot");
export const mountHistory = later(() => import("./history.js"), "mountHistory");
export const mountModels = later(() => import("./models.js"), "mountModels");
export const mountExtensions = later(() => import("./extension-tab.js"), "mountExtensions");
export const mountQuickSettings = later(() => import("./quick-settings.js"), "mountQuickSettings", { tells: false });
export const mountSettings = later(() => import("./settings.js"), "mountSettings");
export const askKept = async (count) => (await import("./settings.js")).askKept(count);
export const mountFormDefaults = later(() => import("./settings.js"), "mountFormDefaults", { tells: false });
export const mountSettingsFiles = later(() => import("./settings.js"), "mountSettingsFiles", { tells: false });
export const mountInnerTabs = later(() => import("./inner-tabs.js"), "mountInnerTabs", { tells: false });
export const mountMerger = later(() => import("./merger.js"), "mountMerger");

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
