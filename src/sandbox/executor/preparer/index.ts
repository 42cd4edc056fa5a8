/** The preparer by itself: with all that rewrites components, which who runs them does not load. */
export { servePreparer } from "./prepare.ts";
