/** A whole number, written in digits; undefined where the text is none, or it is not within the bounds. */
export function wholeBetween(text: string, from: number, to: number): number | undefined {
  const number = /^\d+$/.test(text) ? Number(text) : NaN
  return number >= from && number <= to ? number : undefined
}
