import { InvalidArgumentError, Option } from "commander";
import { ENSEMBLE_PARTS, type WeightedStrategy } from "../../../actors/retriever/search.ts";

export const scopeOption = (meaning: string) => new Option("--scope <scope>", meaning).choices(["node", "cluster"]);

export const ensembleOption = () =>
  new Option("--ensemble <parts>", "what the strategy ensemble is made of, as hybrid=0.7,bm25=0.3").argParser(weightedStrategies);

export const jsonOption = () => new Option("--json", "print JSON for scripts").default(false);

function weightedStrategies(text: string): readonly WeightedStrategy[] {
  return text.split(",").map((part) => {
    const [name = "", weight = "1"] = part.split("=");
    const strategy = ENSEMBLE_PARTS.find((known) => known === name.trim());
    if (strategy === undefined) throw new InvalidArgumentError(`Expected strategies of ${ENSEMBLE_PARTS.join(", ")}.`);
    if (!(Number(weight) > 0)) throw new InvalidArgumentError(`Expected a weight above 0 for ${strategy}.`);
    return { strategy, weight: Number(weight) };
  });
}

export function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError("Expected a whole number above 0.");
  return Number(text);
}

export function fieldOfRole(text: string, before: Readonly<Record<string, string | null>>): Readonly<Record<string, string | null>> {
  const place = text.indexOf("=");
  if (place < 1) throw new InvalidArgumentError("Expected role=field, as text=body.");
  return { ...before, [text.slice(0, place)]: text.slice(place + 1) || null };
}

export function ratio(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0 && value <= 1)) throw new InvalidArgumentError("Expected a number from 0 to 1.");
  return value;
}

export function jsonValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InvalidArgumentError(`Expected JSON: ${(error as Error).message}.`);
  }
}
