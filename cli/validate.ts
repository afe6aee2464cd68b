import { Command } from 'commander'
import { loadScenarioOrTopology } from '../topologies/load.ts'
import type { Topology } from '../topologies/topology.ts'

export function validateCommand(): Command {
  return new Command('validate')
    .summary('check a topology or scenario file')
    .description(
      'Checks a topology or a scenario and says everything that is wrong with it: file, line, JSON pointer, and what was expected.',
    )
    .argument('<files...>')
    .option('--quiet', 'print nothing when all is well')
    .action(async (files: string[], { quiet }: { quiet?: true }) => {
      for (const file of files) {
        const { topology, timeline, expect } = await loadScenarioOrTopology(file)
        if (quiet) continue
        const steps =
          timeline.length + expect.length > 0 ? `, ${timeline.length} steps, ${expect.length} expectations` : ''
        process.stdout.write(`${file}: valid: ${sizeOf(topology)}${steps}\n`)
      }
    })
}

function sizeOf({ hosts, fabric, networks, vms }: Topology): string {
  const nics = vms.reduce((sum, vm) => sum + vm.nics.length, 0)
  return `${hosts.length} hosts, ${fabric.switches.length} fabric switches, ${networks.length} networks, ${vms.length} VMs with ${nics} vNICs`
}
