/** `node test/bench/past-runs.ts 1000000`: writes the databases that `growth` measures, so that it finds them there. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { runtime } from "#runtime";
import { openStore } from "../../src/stores/index.ts";
import { fillPastRuns, folderOf } from "./support/past-runs.ts";

for (const count of runtime.args.map(Number)) {
  const folder = folderOf(count, ".writ/bench");
  await mkdir(folder, { recursive: true });
  const store = await openStore(runtime.openSqlite(join(folder, "writ.sqlite")));
  const at = performance.now();
  await fillPastRuns(store, count, (written) => console.log(`${written} of ${count}`));
  await store.close();
  console.log(`${count} past runs in ${folder}, in ${Math.round((performance.now() - at) / 1000)} s`);
}
