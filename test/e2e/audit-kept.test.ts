/** The audit of runs that moved bytes without any of them leaving: keys, values and files are no egress. */
import { cp } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { cli, makeFolder, ROOT } from "../cli/support.ts";
import { openTestGateway } from "../support/gateway.ts";

it("finds runs complete that kept notes and wrote a file", async () => {
  const [data, copies] = [await makeFolder(), await makeFolder()];
  const toolsFolder = join(copies.path, "tools");
  await cp(join(ROOT, ".writ", "tools", "notes"), join(toolsFolder, "notes"), { recursive: true });
  const gateway = await openTestGateway({ dataFolder: data.path, toolsFolder });
  const purpose = "travel-planning";
  const call = (name: string, input: object) => gateway.post(`/v1/tools/notes/${name}`, { input, purpose });
  const answers = [
    await call("write", { title: "bergen", text: "bring an umbrella" }),
    await call("read", { title: "bergen" }),
    await call("archive", {}),
  ];
  await gateway.close();
  expect(answers.map(({ status, json }) => [status, json.outcome.kind])).toEqual(
    answers.map(() => [200, "completed"]),
  );
  const { out } = await cli(["audit", data.path, "--settled", "--json", "--log-origin", "log.example"]);
  expect(JSON.parse(out)).toMatchObject({ gaps: [], counts: { admitted: 3, matched: 3, ratio: 1 } });
  await data.remove();
  await copies.remove();
});
