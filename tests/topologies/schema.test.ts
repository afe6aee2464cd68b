import { readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { expect, test } from 'vitest'
import { scenarioSchema } from '../../topologies/schema/scenario.ts'
import { topologySchema, Vm } from '../../topologies/schema/topology.ts'

test.each([topologySchema, scenarioSchema])('the shipped $id is what the code defines', (schema) => {
  const path = new URL(`../../topologies/${schema.$id}`, import.meta.url)
  expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(JSON.parse(JSON.stringify(schema)))
})

test.each([topologySchema, scenarioSchema, Vm])('schema %# is one, as JSON Schema 2020-12 has it', (schema) => {
  const ajv = new Ajv2020()
  expect(ajv.validateSchema(schema), ajv.errorsText()).toBe(true)
})

test.each([topologySchema, scenarioSchema])('every property in $id is described', (schema) => {
  expect(undescribed(schema, '')).toEqual([])
})

function undescribed(schema: unknown, at: string): string[] {
  if (typeof schema !== 'object' || schema === null) return []
  return Object.entries(schema).flatMap(([key, inner]: [string, unknown]) => {
    if (key !== 'properties') return undescribed(inner, `${at}/${key}`)
    const properties = Object.entries(inner as Record<string, { description?: string }>)
    return properties.flatMap(([name, property]) => [
      ...(property.description === undefined ? [`${at}/${name}`] : []),
      ...undescribed(property, `${at}/${name}`),
    ])
  })
}
