// Holds JSON against a schema: each mistake is reported in words for people, and taken out, so that what is left can be
// looked at further.

import type { ErrorObject, ValidateFunction } from 'ajv/dist/2020.js'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { nearest, oneOf } from './did-you-mean.ts'
import type { Findings } from './findings.ts'
import { pointer, pointerSegments } from './problems.ts'
import { scenarioSchema } from './schema/scenario.ts'
import { topologySchema, Vm } from './schema/topology.ts'

const SCHEMAS = { topology: topologySchema, scenario: scenarioSchema, vm: Vm }

/**
 * Whoever reads one file waits for the compiler more than for what it makes: it needs neither be the shortest nor repeat a topology
 * inside a scenario. That these are schemas is what a test asks, not every start.
 */
const ajv = new Ajv2020({
  allErrors: true,
  verbose: true,
  strictTypes: false,
  inlineRefs: false,
  validateSchema: false,
  code: { optimize: false },
}).addSchema(topologySchema)

const compiled = new Map<keyof typeof SCHEMAS, ValidateFunction>()

/** Compiling takes tenths of a second, so each waits until somebody asks. */
function validatorOf(kind: keyof typeof SCHEMAS): ValidateFunction {
  const validator = compiled.get(kind) ?? ajv.compile(SCHEMAS[kind])
  compiled.set(kind, validator)
  return validator
}

/** Reports all that the schema does not admit in `value` and takes it out. Undefined where it is no object at all. */
export function validate(kind: keyof typeof SCHEMAS, value: unknown, findings: Findings): object | undefined {
  if (!isObject(value)) {
    findings.report('', `found ${shown(value)}`, 'an object')
    return undefined
  }
  const validator = validatorOf(kind)
  validator(value)
  const errors = validator.errors ?? []
  for (const error of errors) report(error, findings)
  for (const error of errors) takeOut(error, value)
  return value
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function report(error: ErrorObject, findings: Findings): void {
  const { instancePath: at, params } = error
  switch (error.keyword) {
    case 'if': // only says that `then` or `else` failed, which have spoken for themselves
      return
    case 'required':
      if (!isOfAlternatives(error)) findings.report(at, `lacks '${params['missingProperty']}'`, expectedOf(error))
      return
    case 'additionalProperties':
      return reportUnknownKey(error, findings)
    case 'enum':
      return reportChoice(error, findings)
    case 'oneOf':
      return findings.report(
        at,
        foundOf(alternativesOf(error), error.data),
        `exactly one of ${alternativesOf(error).join(', ')}`,
      )
    case 'dependentRequired':
      return findings.report(
        `${at}/${params['property']}`,
        `'${params['property']}' alone`,
        `a key '${params['missingProperty']}' beside it`,
      )
    default:
      return findings.report(at, `found ${shown(error.data)}`, expectedOf(error))
  }
}

/** The branches of a oneOf in our schemas only say which key they want: the oneOf speaks for them. */
const isOfAlternatives = (error: ErrorObject) => error.schemaPath.includes('/oneOf/')

const alternativesOf = (error: ErrorObject) =>
  (error.schema as { required: string[] }[]).map(({ required }) => required[0]!)

function foundOf(alternatives: readonly string[], data: unknown): string {
  const found = isObject(data) ? alternatives.filter((key) => key in data) : []
  return found.length === 0 ? 'says nothing to do or expect' : `has ${found.join(' and ')}`
}

function reportUnknownKey(error: ErrorObject, findings: Findings): void {
  const key = String(error.params['additionalProperty'])
  const taken = error.data as object
  const known = Object.keys((error.parentSchema?.['properties'] ?? {}) as object)
  const free = known.filter((name) => !(name in taken))
  findings.reportKey(error.instancePath + pointer(key), `unknown key '${key}'`, oneOf(known), nearest(key, free))
}

function reportChoice(error: ErrorObject, findings: Findings): void {
  const choices = (error.schema as unknown[]).map(String)
  const meant = typeof error.data === 'string' ? nearest(error.data, choices) : undefined
  findings.report(error.instancePath, `found ${shown(error.data)}`, oneOf(choices), meant)
}

function expectedOf(error: ErrorObject): string {
  const { keyword, params, parentSchema } = error
  switch (keyword) {
    case 'required':
      return `a key '${params['missingProperty']}'`
    case 'uniqueItems':
      return 'no item twice'
    case 'minItems':
      return (parentSchema?.['title'] as string | undefined) ?? `at least ${params['limit']} items`
    case 'minLength':
      return 'a text that is not empty'
  }
  const title = parentSchema?.['title'] as string | undefined
  return title ?? (keyword === 'type' ? withArticle([params['type']].flat().join(' or ')) : (error.message ?? keyword))
}

const withArticle = (noun: string) => `${/^[aeio]/.test(noun) ? 'an' : 'a'} ${noun}`

const MOST_SHOWN = 40

function shown(value: unknown): string {
  if (Array.isArray(value)) return `an array of ${value.length}`
  if (isObject(value)) return 'an object'
  if (value === null) return 'null'
  const text = typeof value === 'string' ? `'${value}'` : JSON.stringify(value)
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text
}

/** Keywords that speak of what an object or array contains: the container itself stays. */
const OF_CONTENTS = new Set(['required', 'oneOf', 'if', 'dependentRequired', 'minItems', 'maxItems', 'uniqueItems'])

function takeOut(error: ErrorObject, root: unknown): void {
  if (OF_CONTENTS.has(error.keyword)) return
  const path = pointerSegments(error.instancePath)
  if (error.keyword === 'additionalProperties') path.push(String(error.params['additionalProperty']))
  const key = path.pop()
  if (key === undefined) return
  const parent = path.reduce<unknown>(
    (value, segment) => (value as Record<string, unknown> | undefined)?.[segment],
    root,
  )
  if (Array.isArray(parent)) parent[Number(key)] = error.parentSchema?.['type'] === 'object' ? {} : undefined
  else if (isObject(parent)) delete parent[key]
}
