import { parseIpv4 } from '../../protocols/address.ts'

const PREFIX = 0x0253_4200_0000n

/** The MAC address of a host's tunnel endpoint, from the low 24 bits of its IPv4 address: 02:53:42 stands for Signalbox. */
export const vtepMac = (address: string): bigint => PREFIX | BigInt(parseIpv4(address) & 0xffffff)
