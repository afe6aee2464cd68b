// Who stops guests, and lets them go on, for one controller.

import type { Clock } from '../../runtime/clock.ts'
import type { Hypervisor } from '../model.ts'
import type { GuestPlaces } from './guest-places.ts'
import type { QemuOptions } from './qemu.ts'
import { Qemu } from './qemu.ts'

export interface HypervisorOptions {
  clock: Clock
  /** Where absent, whatever QEMU is known for a VM. */
  hypervisor?: Hypervisor
  /** Reaches the monitors of QEMU; where absent, there are none. */
  dialMonitor?: QemuOptions['dial']
}

/** `check` throws once the controller is not in charge any more: guests are nobody's to stop and start then. */
export function hypervisorOf(
  { clock, hypervisor, dialMonitor: dial }: HypervisorOptions,
  places: GuestPlaces,
  check: () => void,
): Hypervisor | undefined {
  const qemu = dial && new Qemu({ clock, dial, placeOf: (vm, host) => places.at(vm, host) })
  const chosen = hypervisor ?? qemu
  return chosen && whileIn(chosen, check)
}

const whileIn = (hypervisor: Hypervisor, check: () => void): Hypervisor => ({
  pause: async (vm, move) => {
    check()
    await hypervisor.pause(vm, move)
  },
  resume: async (vm, host, move) => {
    check()
    await hypervisor.resume(vm, host, move)
  },
  restart: async (vm, host) => {
    check()
    await hypervisor.restart?.(vm, host)
  },
})
