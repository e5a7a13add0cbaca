import type { z } from "zod";

/** One setting: its shape, its default, and what the documentation says of it. */
export interface Setting<Value> {
  readonly kind: "setting";
  readonly schema: z.ZodType<Value>;
  readonly default: Value;
  readonly description: string;
  /** Masked wherever the configuration is printed. */
  readonly isSecret: boolean;
  /** Its name in the environment where that is not made of its path: a name that others have given it. */
  readonly variable: string | null;
}

/** Settings by name; a nested group is a part of the product. */
export interface SettingGroup {
  readonly [name: string]: Setting<unknown> | SettingGroup;
}

/** What a group is once it is loaded: every setting's value under its name. */
export type Values<Group> = {
  readonly [Name in keyof Group]: Group[Name] extends Setting<infer Value> ? Value : Values<Group[Name]>;
};

export function setting<Value>(schema: z.ZodType<Value>, value: NoInfer<Value>, description: string): Setting<Value> {
  return { kind: "setting", schema, default: value, description, isSecret: false, variable: null };
}

/** A setting that is never printed. */
export function secret<Value>(schema: z.ZodType<Value>, value: NoInfer<Value>, description: string): Setting<Value> {
  return { ...setting(schema, value, description), isSecret: true };
}

/** A setting under the name that its service's own clients read it from. */
export function named<Value>(variable: string, member: Setting<Value>): Setting<Value> {
  return { ...member, variable };
}

/** A setting with its place in the tree. */
export interface PlacedSetting extends Setting<unknown> {
  /** `["http", "port"]` */
  readonly path: readonly string[];
  /** `http.port` */
  readonly key: string;
  /** `KENNEL_HTTP_PORT` */
  readonly env: string;
}

/** All settings of a group in the order of their declaration. */
export function listSettings(group: SettingGroup, path: readonly string[] = []): readonly PlacedSetting[] {
  return Object.entries(group).flatMap(([name, member]) => {
    const place = [...path, name];
    return isSetting(member)
      ? [{ ...member, path: place, key: place.join("."), env: member.variable ?? environmentName(place) }]
      : listSettings(member, place);
  });
}

export function isSetting(member: Setting<unknown> | SettingGroup): member is Setting<unknown> {
  return member.kind === "setting";
}

/** `["supervision", "vectorStore"]` -> `KENNEL_SUPERVISION_VECTOR_STORE` */
export function environmentName(path: readonly string[]): string {
  return ["KENNEL", ...path].map((name) => name.replaceAll(/(?<=[a-z0-9])[A-Z]/g, "_$&").toUpperCase()).join("_");
}
