import {
  ValidatorConstraint,
  type ValidationArguments,
  type ValidatorConstraintInterface,
} from 'class-validator';

const UNITS_MS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000 } as const;
const DURATION = /^(\d{1,9})([smhd])$/;

/** `90s`, `15m`, `2h`, `7d` in milliseconds; null for text that is none. */
export const durationMs = (text: string): number | null => {
  const [, amount, unit] = DURATION.exec(text) ?? [];
  return amount === undefined ? null : Number(amount) * UNITS_MS[unit as keyof typeof UNITS_MS];
};

/** As somebody would write it: in the largest unit that fits. */
export const durationText = (ms: number): string => {
  const fits = Object.entries(UNITS_MS).find(([, unitMs]) => ms > 0 && ms % unitMs === 0);
  return fits === undefined ? `${ms / 1000}s` : `${ms / fits[1]}${fits[0]}`;
};

/** A duration between two others, which are named in the decorator: `@Validate(DurationConstraint, ['1s', '1h'])`. */
@ValidatorConstraint({ name: 'duration' })
export class DurationConstraint implements ValidatorConstraintInterface {
  validate(value: unknown, { constraints }: ValidationArguments): boolean {
    const ms = typeof value === 'string' ? durationMs(value) : null;
    const [least = 0, most = 0] = constraints.map((bound) => durationMs(String(bound)) ?? 0);
    return ms !== null && ms >= least && ms <= most;
  }

  defaultMessage({ constraints }: ValidationArguments): string {
    const [least, most] = constraints as readonly string[];
    return `must be how long, such as 90s, 15m, 2h or 7d, from ${least} to ${most}`;
  }
}
