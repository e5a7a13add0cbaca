/** Types of values that settings share, and their usual bounds. */
import { z } from "zod";

export const KIB = 1_024;
export const MIB = 1_024 * KIB;

export const count = (max = 1_000_000) => z.int().min(1).max(max);
export const milliseconds = (max = 86_400_000) => z.int().min(1).max(max);
export const share = z.number().gt(0).max(1);
export const ratio = z.number().min(0).max(1);
export const bytes = (max = 1_024 * 1_024 * MIB) => z.int().min(1).max(max);
