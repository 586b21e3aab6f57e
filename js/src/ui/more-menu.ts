/** Out of the view, and into it: saving, copying, comparing. */
import type { Explorer } from "./explorer";
import { copyText } from "./files";
import type { MenuItem } from "./popup";

export function moreMenu(explorer: Explorer): MenuItem[][] {
  const { panes } = explorer;
  return [[
    {
      text: "Copy the table of functions", note: "tab-separated",
      run: () => void copyText(panes.functions.text()).then((done) => explorer.say(done ? "Table copied" : "This page may not copy")),
    },
  ]];
}
