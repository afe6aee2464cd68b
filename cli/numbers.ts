import { InvalidArgumentError } from 'commander'

/** A whole number, written in digits; undefined where the text is none, or it is not within the bounds. */
export function wholeBetween(text: string, from: number, to: number): number | undefined {
  const number = /^\d+$/.test(text) ? Number(text) : NaN
  return number >= from && number <= to ? number : undefined
}

/** The same of an argument. @throws InvalidArgumentError where it is none */
export function whole(text: string, from: number, to: number): number {
  const number = wholeBetween(text, from, to)
  if (number === undefined) throw new InvalidArgumentError(`expected ${from} to ${to}`)
  return number
}
