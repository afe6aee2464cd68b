import type { Switch } from '../switch.ts'

/** The words of a dpctl/ command that are neither `options` nor the name of the datapath, of which there is one: the switch's. */
export function otherWords({ name }: Switch, words: readonly string[], options: RegExp): string[] {
  const rest = words.filter((word) => !options.test(word))
  return rest[0] === name ? rest.slice(1) : rest
}

/** @throws Error where there are other words. */
export function requireDatapath(device: Switch, words: readonly string[], options: RegExp): void {
  const [wrong] = otherWords(device, words, options)
  if (wrong !== undefined) throw new Error(`'${wrong}' is neither an option nor the datapath, which is ${device.name}`)
}
