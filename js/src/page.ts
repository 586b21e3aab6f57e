/** Entry for the self-contained page. */
import { startPage } from "./page-start";

startPage();
