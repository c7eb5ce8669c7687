/** Sizes of samples: values of one figure over seeds, or of one wait over tasks. */

/** @throws RangeError for an empty sample, here and below. */
export const mean = (sample: readonly number[]): number => {
  refuseEmpty(sample);
  return sample.reduce((sum, value) => sum + value, 0) / sample.length;
};

export type Interval = { readonly mean: number; readonly low: number; readonly high: number };

/** Mean with its 95 % confidence interval (Student's t). One value alone says nothing about its spread: the interval is infinite. */
export const confidence95 = (sample: readonly number[]): Interval => {
  const middle = mean(sample);
  const squares = sample.reduce((sum, value) => sum + (value - middle) ** 2, 0);
  if (sample.length === 1) return { mean: middle, low: -Infinity, high: Infinity };
  const freedom = sample.length - 1;
  const half = studentT975(freedom) * Math.sqrt(squares / freedom / sample.length);
  return { mean: middle, low: middle - half, high: middle + half };
};

/** Nearest rank: the smallest value that at least this share of the sample does not exceed; `share` from 0 to 1. */
export const percentile = (sample: readonly number[], share: number): number => {
  refuseEmpty(sample);
  const rank = Math.max(1, Math.ceil(share * sample.length - 1e-9));
  return sample.toSorted((a, b) => a - b)[rank - 1] ?? Number.NaN;
};

const refuseEmpty = (sample: readonly number[]): void => {
  if (sample.length === 0)
    throw new RangeError('no statistic of an empty sample: one value at least is accepted');
};

/** 97.5 % quantiles of Student's t for 1 to 30 degrees of freedom, from the usual tables. */
const T_975 = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131,
  2.12, 2.11, 2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];
/** The same quantile of the normal distribution. */
const Z_975 = 1.959964;

/** Beyond the table, the first two terms of the Cornish-Fisher expansion: right to three digits from 31 on. */
const studentT975 = (freedom: number): number =>
  T_975[freedom - 1] ??
  Z_975 +
    (Z_975 ** 3 + Z_975) / (4 * freedom) +
    (5 * Z_975 ** 5 + 16 * Z_975 ** 3 + 3 * Z_975) / (96 * freedom ** 2);
